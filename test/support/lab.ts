import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { createLab, type Lab, type LabNode } from "../../src/lab/lab.ts";
import { probeLab } from "../../src/lab/probe.ts";
import type { Scene } from "../../src/lab/scene.ts";
import { needs } from "./needs.ts";

/** Options for a test that builds a lab and runs `tools` in it: skipped, with the reason, where that cannot be; never in CI. */
export async function needsLab(...tools: readonly string[]): Promise<{ skip: string | false }> {
  const { skip } = needs(...tools);
  return { skip: skip || (process.env.CI !== "true" && ((await probeLab()) ?? false)) };
}

/** Builds a lab, hands it to `use` and closes it whatever happens. */
export async function withLab<T>(scene: Scene, use: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = await createLab(scene);
  try {
    return await use(lab);
  } finally {
    await lab.close();
  }
}

const namespaceKinds = ["net", "mnt", "pid", "user"] as const;

/** The namespaces that belong to a lab alone, like `net:[4026532301]`. */
export async function namespacesOf(lab: Lab): Promise<ReadonlySet<string>> {
  const own = new Set<string>();
  const paths = namespaceKinds.map((kind) => `/proc/self/ns/${kind}`);
  for (const name of ["public", ...[...lab.scene.hosts, ...lab.scene.routers].map((node) => node.name)]) {
    const node = name === "public" ? lab.publicSegment : name.includes("-") ? lab.router(name) : lab.host(name);
    for (const line of (await node.run("readlink", paths)).stdout.trim().split("\n")) own.add(line);
  }
  for (const path of paths) own.delete(readlinkSync(path));
  return own;
}

/** What still holds one of these namespaces: `pid 123 net:[4026532301]` for a process, `mount …` for a bound file. */
export function holdersOf(namespaces: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const kind of namespaceKinds) {
      const namespace = orNothing(() => readlinkSync(`/proc/${pid}/ns/${kind}`));
      if (namespaces.has(namespace)) found.push(`pid ${pid} ${namespace}`);
    }
    const mounts = orNothing(() => readFileSync(`/proc/${pid}/mountinfo`, "utf8")).split("\n");
    found.push(...mounts.filter((line) => namespaces.has(line.split(" ")[3] ?? "")).map((line) => `mount ${line}`));
  }
  return found;
}

/** Processes come and go while one looks. */
function orNothing(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** Resolves when some program on a host listens on all these UDP ports; rejects after ten seconds. */
export async function untilBound(node: LabNode, ports: readonly number[]): Promise<void> {
  const hex = ports.map((port) => `:${port.toString(16).toUpperCase().padStart(4, "0")} `);
  for (let attempt = 0; attempt < 100; attempt++) {
    const { stdout } = await node.run("cat", ["/proc/net/udp", "/proc/net/udp6"]);
    if (hex.every((text) => stdout.includes(text))) return;
    await delay(100);
  }
  throw new Error(`nobody on ${node.name} listens on UDP ports ${ports.join(", ")}`);
}
