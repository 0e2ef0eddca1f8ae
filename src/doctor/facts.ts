import type { ErrorCode } from "../core/errors.ts";
import type { Decoded } from "../core/result.ts";
import type { FirewallChain } from "./firewall.ts";

/** What was read, or one clause on why it could not be. */
export type Fact<T> = Decoded<T>;

/** The programs that a plane may need. */
export const toolNames = ["nft", "conntrack", "iptables", "ip6tables", "ip"] as const;

/** One of the programs above. */
export type ToolName = (typeof toolNames)[number];

/** Where this process is shut in. */
export interface Confinement {
  /** Not the host's user namespace: rights do not reach beyond it. */
  readonly ownUsers: boolean;
  /** Not the host's network namespace: addresses, firewall and forwarding are its own. */
  readonly ownNetwork: boolean;
  /** Name of the container system, if there are signs of one. */
  readonly container: string | undefined;
}

/** An address of an interface. */
export interface InterfaceAddress {
  readonly name: string;
  readonly address: string;
}

/** Where packets wait before an interface sends them. */
export interface TransmitQueue {
  /** Its queueing discipline, such as `fq_codel`, `mq` (one queue for each of the card's) or `noqueue`. */
  readonly discipline: string;
  /** txqueuelen, in packets, which disciplines without a limit of their own go by. */
  readonly length: number;
}

/** The way out of this host for an address family. */
export interface DefaultRoute {
  readonly family: 4 | 6;
  readonly interface: string;
  readonly mtu: Fact<number>;
  readonly queue: Fact<TransmitQueue>;
}

/** What came of binding a port, which was released at once. */
export type PortTrial =
  | { readonly free: true; readonly receiveBytes: number; readonly sendBytes: number }
  | { readonly free: false; readonly code: ErrorCode; readonly message: string; readonly holder: string | undefined };

/** A port of the relay on one of its addresses. */
export interface PortFact {
  readonly address: string;
  readonly port: number;
  readonly trial: PortTrial;
}

/** The state file as it lies there; nothing of it is changed. */
export interface StateFact {
  /** Permission bits of the file, `undefined` if there is none yet. */
  readonly mode: number | undefined;
  /** Why the relay could not use what is in it. */
  readonly fault: string | undefined;
  /** True if a new version of it can be put in its place. */
  readonly canBeWritten: boolean;
}

/** Everything that the checks look at. */
export interface HostFacts {
  readonly nodeVersion: string;
  readonly platform: NodeJS.Platform;
  readonly kernel: string;
  /** The clock: milliseconds since 1970 UTC. */
  readonly wallMs: number;
  readonly uid: number | undefined;
  /** The effective capabilities' bits. */
  readonly capabilities: Fact<bigint>;
  readonly confinement: Fact<Confinement>;
  /** Version or path of each tool that is there. */
  readonly tools: ReadonlyMap<ToolName, string>;
  /** By name with dots, such as `net.core.rmem_max`. */
  readonly sysctls: ReadonlyMap<string, Fact<string>>;
  /** True if forwarding could be switched on. */
  readonly canForward: Fact<boolean>;
  /** The chains of every firewall that was found. */
  readonly firewall: Fact<readonly FirewallChain[]>;
  /** Whether the nat plane would start, by its own trial of tool, rights and kernel. */
  readonly natPlane: Fact<true>;
  /** Whether the ebpf plane would start, by its own trial of kernel, rights and interfaces. */
  readonly ebpfPlane: Fact<true>;
  /** Interfaces that would lose their IPv6 route if this host forwarded. */
  readonly advertised: readonly string[];
  readonly interfaces: readonly InterfaceAddress[];
  readonly defaultRoutes: Fact<readonly DefaultRoute[]>;
  /** How many files this process may have open. */
  readonly openFiles: Fact<number>;
  readonly ports: readonly PortFact[];
  readonly state: Fact<StateFact>;
}
