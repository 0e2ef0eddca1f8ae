import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { toolEnvironment } from "../../src/lab/holder.ts";
import type { Contender } from "../contenders/contender.ts";
import { allowedCpus } from "./cpu.ts";
import type { BenchNetwork } from "./network.ts";

/** What the figures were measured on, for the report. */
export interface Machine {
  readonly date: string;
  readonly processor: string;
  readonly kernel: string;
  readonly node: string;
  readonly memoryGiB: number;
  /** How many CPUs it has, which of them the bench used, and what ran where. */
  readonly cpus: string;
  /** Kernel settings that matter, by name. */
  readonly settings: Readonly<Record<string, string>>;
  /** The peers' versions, by contender id. */
  readonly versions: Readonly<Record<string, string>>;
}

const backlogPath = "/proc/sys/net/core/netdev_max_backlog";

/** Reads it. */
export function describeMachine(network: BenchNetwork, contenders: readonly Contender[]): Machine {
  const used = allowedCpus();
  const { source, relay } = network.cpuOf;
  const where = source === relay ? "all on one CPU" : `relay on CPU ${relay}, source and viewers on CPU ${source}`;
  const settings = ["net.core.rmem_max", "net.core.wmem_max", "net.core.netdev_max_backlog"].map((name) => {
    return [name, readOr(`/proc/sys/${name.replaceAll(".", "/")}`, "unknown")] as const;
  });
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    kernel: release(),
    node: process.versions.node,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    cpus: `${cpus().length} CPUs, of which ${used.join(", ")} used; ${where}`,
    settings: Object.fromEntries(settings),
    versions: Object.fromEntries(contenders.map((contender) => [contender.id, versionOf(contender)])),
  };
}

/** Those of the contenders that can run here; says in a line each what the others lack. */
export function available(contenders: readonly Contender[]): Contender[] {
  return contenders.filter(({ name, needs }) => {
    const found = needs === undefined || spawnSync(needs.program, needs.versionArgs, tools).error === undefined;
    if (!found) console.log(`${name}: left out, since ${needs?.program} is not installed`);
    return found;
  });
}

/**
 * Sets how many packets the kernel lets wait between two namespaces, as it has to be for bursts to many viewers, unless it is
 * more. One setting for the whole machine; answers what puts it back.
 */
export function raiseBacklog(packets: number): () => void {
  const before = readOr(backlogPath, "0");
  if (Number(before) >= packets) return () => {};
  try {
    writeFileSync(backlogPath, String(packets));
  } catch {
    console.log(`net.core.netdev_max_backlog stays at ${before}: it cannot be set from here`);
    return () => {};
  }
  return () => writeFileSync(backlogPath, before);
}

const tools = { env: toolEnvironment(), encoding: "utf8" } as const;

function versionOf({ needs }: Contender): string {
  if (needs === undefined) return "";
  const { stdout, stderr } = spawnSync(needs.program, needs.versionArgs, tools);
  return /\d+(?:\.\d+)+/.exec(`${stdout}${stderr}`.replace(/www\.\S+/g, ""))?.[0] ?? "";
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return otherwise;
  }
}
