import type { PlaneChoice } from "../data-plane/choose-plane.ts";

/**
 * How a check ended. `unneeded`: the host lacks something that these options do without; `unknown`: it could not be read;
 * only `failed` keeps the relay from working.
 */
export type Status = "ok" | "warning" | "failed" | "unknown" | "unneeded";

/** What a check is about, in the order in which people read it. */
export const groups = ["host", "rights", "network", "sockets", "firewall", "state", "planes"] as const;

/** One of the groups above. */
export type Group = (typeof groups)[number];

/** One thing that was looked at. */
export interface Check {
  /** Stable name in kebab case, such as `socket-buffers`. */
  readonly check: string;
  readonly group: Group;
  readonly status: Status;
  /** What was found, in a few words. */
  readonly found: string;
  /** One sentence on what to do, where something is to be done. */
  readonly remedy?: string;
  /** The command line that does it, ready to paste. */
  readonly command?: string;
}

/** What to do about it. */
export type Remedy = Pick<Check, "remedy" | "command">;

/** A UDP port that the relay binds on each of its addresses. */
export interface NeededPort {
  readonly port: number;
  /** What it is for, with the flag that changes it. */
  readonly purpose: string;
}

/** What a relay with certain options asks of its host. */
export interface RelayNeed {
  readonly plane: PlaneChoice;
  /** The addresses to bind. */
  readonly addresses: readonly string[];
  /** The host that is printed in URLs, if one was given. */
  readonly publicAddress: string | undefined;
  /** The punch port and every ingest port; a port that the system shall choose is left out. */
  readonly ports: readonly NeededPort[];
  /** Kernel buffers of each socket, in bytes. */
  readonly bufferBytes: number;
  /** True if keys end at a time of day. */
  readonly hasTimedKeys: boolean;
  /** The state file; `undefined` if every key is given and none is needed. */
  readonly statePath: string | undefined;
}

/** True for addresses that stay within the host. */
export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** Ports as runs, first and last: 9000, 9099, 9100 are [[9000, 9000], [9099, 9100]]. */
export function portRuns(ports: readonly number[]): (readonly [first: number, last: number])[] {
  const runs: [number, number][] = [];
  for (const port of [...new Set(ports)].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === port - 1) run[1] = port;
    else runs.push([port, port]);
  }
  return runs;
}

/** Ports in short: `9000, 9099-9102`, or with other signs between. */
export function formatPorts(ports: readonly number[], to = "-", comma = ", "): string {
  return portRuns(ports)
    .map(([first, last]) => (first === last ? String(first) : `${first}${to}${last}`))
    .join(comma);
}
