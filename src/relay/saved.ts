import type { Endpoint } from "../core/address.ts";

/** One hole as it is kept over a restart. Times are what is left, since a monotonic clock starts anew. */
export interface SavedHole {
  readonly id: string;
  readonly stream: string;
  readonly component: number;
  readonly by: "key" | "bare";
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Milliseconds of consent left. */
  readonly leftMs: number;
}

/** One publisher as it is kept over a restart. */
export interface SavedPublisher {
  readonly stream: string;
  /** Its IP address, or its session. */
  readonly identity: string;
  readonly by: "address" | "key";
  readonly flows: readonly {
    readonly component: number;
    readonly local: Endpoint;
    readonly publisher: Endpoint;
    /** Milliseconds of consent left; 0 for the address kind, which has none. */
    readonly leftMs: number;
  }[];
}

/**
 * Who watches and who publishes, so that a relay that was killed can go on where it was: the kernel's planes carry media
 * without it, and the next start adopts what is still consented.
 */
export interface Snapshot {
  readonly holes: readonly SavedHole[];
  readonly publishers: readonly SavedPublisher[];
}
