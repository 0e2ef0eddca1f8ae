import type { ComponentId, Flow, ForwardingChange, HoleId } from "../relay/forwarding.ts";
import type { UdpSocket, UdpSocketOptions } from "../udp/udp-socket.ts";

/** The data planes there are. */
export type DataPlaneName = "userspace" | "nat" | "ebpf";

/** What the userspace plane moves packets with: Node's own sockets, or batched system calls on a thread of their own (Linux). */
export type EngineName = "dgram" | "batched";

/** Packets sent on, bytes of UDP payload sent on, and packets that could not be. */
export interface Counters {
  readonly packets: number;
  readonly bytes: number;
  readonly drops: number;
}

/** What a plane has carried. */
export interface PlaneCounters {
  /** Of each open hole, since it opened. */
  readonly holes: ReadonlyMap<HoleId, Counters>;
  /** Of each component that ever had a hole, since the plane started, closed holes included. */
  readonly components: ReadonlyMap<ComponentId, Counters>;
  /**
   * What each component's publisher sent that never came to user space, since the plane started; empty in a plane that
   * hands every packet up. The relay counts these as it counts the packets that it sees.
   */
  readonly unseen: ReadonlyMap<ComponentId, Pick<Counters, "packets" | "bytes">>;
  /** Datagrams that the plane turned away before the core could decide on them, by reason. Default: none. */
  readonly refused?: Readonly<Record<string, number>>;
  /**
   * How often a packet was not sent to a hole by the kernel, by component and reason, since the plane started, in planes that
   * know. `queue-full` and `expired` are lost (and among the `drops`); of the others user space sends instead: `no-route`,
   * `no-neighbour`, `too-big`, `no-ethernet`.
   */
  readonly notSent?: ReadonlyMap<ComponentId, Readonly<Record<string, number>>>;
}

/**
 * Told of each packet that the plane sent on by itself, in order, some milliseconds later (`tellMediaWithin`). `bytes` are good during the call
 * only, and never to be written; `atMs` is when the packet came, on the clock of `performance.now()`.
 */
export type MediaListener = (component: ComponentId, bytes: Uint8Array, atMs: number) => void;

/**
 * How soon planes tell `onMedia` unless they are told otherwise. Less would wake the process, which costs more than what it
 * does with a packet, for every few of them; more would be felt by the publisher who is to repair a gap, as delay.
 */
export const tellMediaMs = 20;

/** The UDP ports that a relay has bound. */
export interface PlanePorts {
  readonly punch: number;
  readonly ingest: readonly number[];
}

/** Moves the media. The relay core says what the forwarding table shall be; a plane makes it so. */
export interface DataPlane {
  readonly name: DataPlaneName;
  /** How many holes one component can have: 1 where the kernel's NAT carries the media, else `Infinity`. */
  readonly holesPerComponent: number;
  /**
   * True if user space sees every packet: those that the plane carried by itself are told to `onMedia`. Then newcomers can be
   * shown what has been, up to the moment that `apply` tells.
   */
  readonly showsMedia: boolean;
  /** True if media goes on flowing when the relay is killed, so that the next one should know who watches. */
  readonly survivesRelay: boolean;
  /**
   * Makes the forwarding table exactly `initial`: adopts what an earlier relay left in the kernel as far as it is in there,
   * removes the rest, and goes on from that. Called once, before anything else.
   * @throws PunchcastError TOOL_MISSING, NO_PRIVILEGE, UNSUPPORTED_HOST or TOOL_FAILED; then nothing has been changed
   */
  start(ports: PlanePorts, initial: readonly ForwardingChange[]): Promise<void>;
  /**
   * Told when ingest ports were opened or closed. Default: the plane need not know them.
   * @throws PunchcastError TOOL_FAILED
   */
  setPorts?(ports: PlanePorts): Promise<void>;
  /**
   * A packet of this component came up to user space: sends it to the component's holes unless the plane has done so
   * already. The same bytes for each, never changed or kept. `flow` says where the packet came from and to.
   */
  deliver(component: ComponentId, bytes: Uint8Array, flow: Flow): void;
  /**
   * Told about once a second how long the consent of each open hole lasts yet, in ms, by planes that end holes by
   * themselves. Default: not needed.
   */
  renew?(consents: Iterable<readonly [HoleId, number]>): void;
  /** Has `onMedia` told of each packet within so many ms from now on; `tellMediaMs` at first. Default: it is told at once. */
  tellMediaWithin?(ms: number): void;
  /** Tells `onMedia` at once of what was carried by now. Default: it has been told before anything came up to user space. */
  showMedia?(): void;
  /**
   * Adds, moves and removes holes and flows. Declarative and idempotent: a change for a hole that is not there is no error.
   * May be called again before it is done: changes are made in the order of the calls.
   * @param onOpen told of each hole that is opened, at the moment from which on the plane serves it, in planes that show media.
   * Of what was told to `onMedia` before, the hole was sent nothing; what is told after, the plane sends to it, once.
   */
  apply(changes: readonly ForwardingChange[], onOpen?: (hole: HoleId) => void): Promise<void>;
  /**
   * Opens a socket that the plane itself reads, to forward what it knows; the rest comes to `onDatagram`. A plane without
   * this leaves the relay's sockets to `openUdpSocket`.
   * @throws PunchcastError PORT_IN_USE, ADDRESS_UNAVAILABLE or NO_PRIVILEGE
   */
  openSocket?(options: UdpSocketOptions): Promise<UdpSocket>;
  /** Reads what was carried. */
  readCounters(): Promise<PlaneCounters>;
  /** Stops forwarding and leaves nothing behind. */
  close(): Promise<void>;
}
