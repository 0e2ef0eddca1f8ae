import type { ChildProcess } from "node:child_process";
import { addresses, type BenchNetwork } from "../harness/network.ts";

/** A contender at work. */
export interface Running {
  /** Its process; `undefined` if the kernel does it all. */
  readonly process?: ChildProcess;
  /** Stops it and leaves the network as it was. */
  stop(): Promise<void>;
}

/** Something that brings packets from the source to the viewers. */
export interface Contender {
  /** Short, for `--only` and the raw figures. */
  readonly id: string;
  readonly name: string;
  /** How it was set up, for the report. */
  readonly settings: string;
  /** A program that must be there, and the arguments that make it tell its version. */
  readonly needs?: { readonly program: string; readonly versionArgs: readonly string[] };
  /** The most viewers it can serve. Default: any number. */
  readonly mostViewers?: number;
  /** The least that it is worth showing for. Default 1. */
  readonly leastViewers?: number;
  /** Whether the device towards the viewers cuts up messages of many packets by itself. Default: the relay's kernel has to. */
  readonly deviceCuts?: boolean;
  /** Where the source sends to. */
  readonly target: { readonly address: string; readonly port: number };
  /** Where viewers punch to; `undefined`: they are set up at the start. */
  readonly punch?: { readonly address: string; readonly port: number };
  /** Whether the viewer asks for the source's packets by TURN instead of punching. Default: not. */
  readonly turn?: boolean;
  /** Starts it for viewers on the ports from `firstPort(viewers)` to `lastPort`. */
  start(network: BenchNetwork, viewers: number): Promise<Running>;
}

/** The port of the last viewer, the one that reads and times what it gets; that of the only one if there is one. */
export const lastPort = 8_000;

/** The port of the first of so many viewers; the next one has the next port. */
export function firstPort(viewers: number): number {
  return lastPort - viewers + 1;
}

/** Where contenders take packets in. */
export const ingest: { readonly address: string; readonly port: number } = {
  address: addresses.relayIngest,
  port: 9_099,
};

/** Where contenders send from, and where Punchcast takes punches. */
export const punchPort: { readonly address: string; readonly port: number } = {
  address: addresses.relayPunch,
  port: 9_000,
};

/** The kernel forwards, nothing is rewritten: the floor. */
export const routing: Contender = {
  id: "routing",
  name: "plain kernel routing",
  settings: "`ip_forward`, no rules; nothing is rewritten",
  mostViewers: 1,
  target: { address: addresses.sink, port: lastPort },
  async start(network) {
    await network.run("relay", "sysctl", ["-qw", "net.ipv4.ip_forward=1"]);
    return {
      stop: async () => {
        await network.run("relay", "sysctl", ["-qw", "net.ipv4.ip_forward=0"]);
      },
    };
  },
};
