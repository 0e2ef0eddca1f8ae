import { type Endpoint, formatEndpoint } from "../core/address.ts";
import type { Random } from "../core/random.ts";
import { bindingMethod, encodeMessage } from "../stun/message.ts";
import { createRateLimiter } from "./rate-limiter.ts";

/** Tells senders that the relay does not know (any more) to punch again. */
export interface Reminder {
  /**
   * The answer to a datagram whose source nobody proved: a Binding indication (RFC 8489 §6), 28 bytes. `undefined` if that
   * is more than what came, or if this source was reminded just now.
   */
  remind(from: Endpoint, bytes: Uint8Array, now: number): Uint8Array | undefined;
}

/** A header and FINGERPRINT. */
const indicationLength = 28;

/**
 * Reminders a second to one source. Not more, since a stranger's flood deserves no answer; not less, since the one that
 * got lost costs a publisher this long.
 */
const remindersPerSecond = 2;

/**
 * A publisher hears nothing while its media flows, so it cannot see that its NAT gave it another address or that the relay
 * was restarted: without a word its media would be dropped until its next consent, up to 6 s later.
 */
export function createReminder(random: Random): Reminder {
  const limiter = createRateLimiter({ ratePerSecond: remindersPerSecond, burst: 1 });
  return {
    remind(from, bytes, now) {
      if (bytes.length < indicationLength || !limiter.take(formatEndpoint(from), now)) return undefined;
      return encodeMessage({
        messageClass: "indication",
        method: bindingMethod,
        transactionId: random.bytes(12),
        attributes: [],
        fingerprint: true,
      });
    },
  };
}
