import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { release } from "node:os";
import { dirname } from "node:path";
import type { Clock } from "../core/clock.ts";
import { systemErrorCode } from "../core/errors.ts";
import { decoded, malformed } from "../core/result.ts";
import { readHostNetwork } from "../data-plane/nat/host-network.ts";
import { isInstalled } from "../data-plane/nat/run-tool.ts";
import type { RelayNeed } from "./check.ts";
import { type Fact, type HostFacts, type StateFact, type ToolName, toolNames } from "./facts.ts";
import { tryEbpfPlane } from "./read-ebpf.ts";
import { readFirewall } from "./read-firewall.ts";
import {
  readCanForward,
  readCapabilities,
  readConfinement,
  readDefaultRoutes,
  readInterfaces,
  readOpenFiles,
  readSysctls,
} from "./read-kernel.ts";
import { tryNatPlane } from "./read-nat.ts";
import { tryPorts } from "./read-ports.ts";
import { attempt, capture } from "./run-command.ts";

/** What the reader is given from outside. */
export interface ReadOptions {
  readonly clock: Clock;
  /** Why the relay could not use the content of its state file, if it could not. */
  readonly findStateFault: (path: string) => Promise<string | undefined>;
}

/** Reads all that the checks look at. Changes nothing, sends nothing and never throws. */
export async function readFacts(need: RelayNeed, { clock, findStateFault }: ReadOptions): Promise<HostFacts> {
  const interfaces = readInterfaces();
  const names = [...new Set(interfaces.map(({ name }) => name))];
  const [capabilities, confinement, tools, sysctls, canForward, firewall, natPlane, defaultRoutes, openFiles, state] =
    await Promise.all([
      readCapabilities(),
      readConfinement(),
      readTools(),
      readSysctls(names),
      readCanForward(),
      onLinux(readFirewall),
      tryNatPlane(need),
      readDefaultRoutes(),
      readOpenFiles(),
      readState(need.statePath, findStateFault),
    ]);
  return {
    nodeVersion: process.versions.node,
    platform: process.platform,
    kernel: release(),
    wallMs: clock.wallNow(),
    uid: process.geteuid?.(),
    capabilities,
    confinement,
    tools,
    sysctls,
    canForward,
    firewall,
    natPlane,
    ebpfPlane: await tryEbpfPlane(),
    interfaces,
    defaultRoutes,
    openFiles,
    advertised: (await readHostNetwork()).advertised,
    ports: await tryPorts(need),
    state,
  };
}

async function onLinux<T>(read: () => Promise<Fact<T>>): Promise<Fact<T>> {
  return process.platform === "linux" ? read() : malformed(`not read on ${process.platform}`);
}

async function readTools(): Promise<Map<ToolName, string>> {
  const found = await Promise.all(toolNames.map(async (tool) => [tool, await isInstalled(tool)] as const));
  const there = found.filter(([, isThere]) => isThere).map(([tool]) => tool);
  return new Map(await Promise.all(there.map(async (tool) => [tool, await readVersion(tool)] as const)));
}

/** `1.8.9 (nf_tables)`; empty if the tool does not say. */
async function readVersion(tool: ToolName): Promise<string> {
  const said = await capture(tool, [tool === "nft" ? "-v" : "-V"]);
  const [, version = "", variant = ""] =
    /v?(\d+(?:\.\d+)+)(?: (\((?:nf_tables|legacy)\)))?/.exec(said.ok ? said.value : "") ?? [];
  return `${version} ${variant}`.trim();
}

async function readState(path: string | undefined, findFault: ReadOptions["findStateFault"]): Promise<Fact<StateFact>> {
  if (path === undefined) return malformed("not needed");
  const file = await attempt(() => stat(path));
  const fault = await attempt(() => findFault(path));
  return decoded({
    mode: file.ok ? file.value.mode & 0o777 : undefined,
    fault: fault.ok ? fault.value : fault.reason,
    canBeWritten: await canMakeFilesIn(dirname(path)),
  });
}

/** The file is replaced, so its folder counts; folders that are missing are made. */
async function canMakeFilesIn(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch (error) {
    return systemErrorCode(error) === "ENOENT" && dirname(folder) !== folder && canMakeFilesIn(dirname(folder));
  }
}
