/** How much one relay gives away. All of them are counted refusals, never errors. */
export interface Limits {
  /**
   * Holes from one source address. Default 256: 64 viewers of an audio-video stream behind one NAT (a school, a carrier's
   * CGNAT). More would let one key holder fill the relay; less would cut such a crowd.
   */
  readonly holesPerAddress: number;
  /** Holes to one stream, all components together. Default 8192: 2,000 viewers of four components, beyond one userspace relay. */
  readonly holesPerStream: number;
  /** Holes on the whole relay. Default 16384: about 10 MB of table. */
  readonly holesTotal: number;
  /** Bare holes on the whole relay. Default 32: eight seed-style viewers of four components; each may be somebody's victim. */
  readonly bareHoles: number;
  /**
   * Unproven requests a second from one source prefix (/24 or /56). Default 100: a crowd of 200 joins within seconds, a flood
   * costs the relay under 1 % of a core.
   */
  readonly requestsPerSecond: number;
}

/** The defaults, each with its reason above. */
export const defaultLimits: Limits = {
  holesPerAddress: 256,
  holesPerStream: 8192,
  holesTotal: 16384,
  bareHoles: 32,
  requestsPerSecond: 100,
};

/** Consent expires this long after the last proof. RFC 7675 §5.1: 30 seconds. In seconds, as LIFETIME carries it. */
export const consentLifetimeSeconds = 30;

/**
 * A publisher without a packet for this long is gone and its place is free. Not more, since a restarted camera behind a new
 * address waits this long; not less, since a paused encoder or a mobile hand-over lasts seconds.
 */
export const publisherIdleMs = 10_000;

/**
 * A publisher's new source port takes a component over once the old one is silent this long. Not more, since viewers see
 * the gap; not less, since two senders on one host would tear the stream from each other packet by packet.
 */
export const flowIdleMs = 1_000;
