/** What came of a datagram from the relay's punch port. */
export type PunchEvent =
  /** The relay knows us: the hole is open (or the publisher admitted) for `lifetimeMs` more. */
  | {
      readonly type: "granted";
      /** Our address as the relay sees it, `host:port` (RFC 8489 §14.2). */
      readonly mapped: string;
      readonly lifetimeMs: number;
      readonly rttMs: number;
      /** How many components the stream has. */
      readonly components: number;
      readonly publisherLive: boolean;
    }
  /** The relay refused. `final`: asking again cannot help. */
  | { readonly type: "refused"; readonly code: number; readonly reason: string; readonly final: boolean };

/** One component's side of the punch, without a socket: what to send when, and what an answer means. */
export interface PunchMachine {
  /** When `poll` is next due, in the clock's milliseconds. */
  wakeAt(): number;
  /** The request to send now, `undefined` if none is due. */
  poll(now: number): Uint8Array | undefined;
  /** Makes a request due at once: the network changed, or media stopped. */
  punchNow(now: number): void;
  /** Takes a datagram from the relay: an event, `"quiet"` if it was for the machine but says nothing new, `undefined` if it is not. */
  receive(bytes: Uint8Array, now: number): PunchEvent | "quiet" | undefined;
  /** Requests since the last one that was answered. */
  unanswered(): number;
  /** The request that leaves, `undefined` if there is no way to say it. */
  leave(now: number): Uint8Array | undefined;
}
