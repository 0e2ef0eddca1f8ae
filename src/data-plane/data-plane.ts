import type { ComponentId, ForwardingChange, HoleId } from "../relay/forwarding.ts";

/** The data planes there are. */
export type DataPlaneName = "userspace";

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
}

/** Moves the media. The relay core says what the forwarding table shall be; a plane makes it so. */
export interface DataPlane {
  readonly name: DataPlaneName;
  /** Adds, moves and removes holes and flows. Declarative and idempotent: a change for a hole that is not there is no error. */
  apply(changes: readonly ForwardingChange[]): Promise<void>;
  /** Reads what was carried. */
  readCounters(): Promise<PlaneCounters>;
  /** Stops forwarding and leaves nothing behind. */
  close(): Promise<void>;
}
