import { type Random, randomUnit } from "../core/random.ts";

/** RFC 7675 §5.1: consent is asked for every 5 seconds, each time multiplied by 0.8 to 1.2. */
export const consentIntervalMs = 5_000;

/** RFC 8489 §6.2.1: the first retransmission comes after 500 ms unless the round trip is known. */
const firstRetryMs = 500;

/**
 * Requests that nobody answers are repeated at most this far apart. Not more, since a relay that comes back must have its
 * viewers again within 5 s; not less, since a thousand viewers must not flood a relay that struggles to start.
 */
const lastRetryMs = 2_500;

/** `intervalMs` times a random factor of 0.8 to 1.2, so that many viewers do not ask at the same moment (RFC 7675 §5.1). */
export function jittered(intervalMs: number, random: Random): number {
  return intervalMs * (0.8 + 0.4 * randomUnit(random));
}

/** How long to wait for an answer before the `attempt`-th repetition (from 1): doubling, bounded, jittered. */
export function retryDelayMs(attempt: number, random: Random): number {
  return jittered(Math.min(lastRetryMs / 1.2, firstRetryMs * 2 ** (attempt - 1)), random);
}
