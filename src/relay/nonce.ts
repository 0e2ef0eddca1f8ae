import { createHmac, timingSafeEqual } from "node:crypto";
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import type { Random } from "../core/random.ts";

/** Issues and checks nonces without remembering any. */
export interface NonceKeeper {
  /** The token that proves, when it comes back from `source`, that `source` receives what is sent to it. */
  issue(source: Endpoint, now: number): string;
  /** True if `token` was issued to exactly this source in this or the previous time slot. */
  isFresh(token: string, source: Endpoint, now: number): boolean;
}

/**
 * A nonce lives between one and two slots. Not longer, since whoever overheard a request can repeat it from the same
 * address that long; not shorter, since every slot costs each viewer one more round trip.
 */
export const nonceSlotMs = 30_000;

/** Secrets are drawn anew every this many slots (one hour), so that a leaked one opens a short window. */
const slotsPerSecret = 120;

/** 96 bits of HMAC: not guessable within a slot, and the error that carries it stays below the size of the request. */
const macLength = 12;

/** Stateless nonces: an HMAC over the source address and the time slot, under a secret that rotates (RFC 8489 §14.10). */
export function createNonceKeeper(random: Random): NonceKeeper {
  const secrets = new Map<number, Uint8Array>();

  function secretOf(slot: number): Uint8Array {
    const epoch = Math.floor(slot / slotsPerSecret);
    for (const old of secrets.keys()) if (old < epoch - 1) secrets.delete(old);
    const known = secrets.get(epoch);
    if (known !== undefined) return known;
    const secret = random.bytes(32);
    secrets.set(epoch, secret);
    return secret;
  }

  function mac(source: Endpoint, slot: number): Buffer {
    const text = `${formatEndpoint(source)} ${slot}`;
    return createHmac("sha256", secretOf(slot)).update(text).digest().subarray(0, macLength);
  }

  return {
    issue: (source, now) => mac(source, Math.floor(now / nonceSlotMs)).toString("base64url"),
    isFresh(token, source, now) {
      const given = Buffer.from(token, "base64url");
      if (given.length !== macLength) return false;
      const slot = Math.floor(now / nonceSlotMs);
      return [slot, slot - 1].some((candidate) => timingSafeEqual(given, mac(source, candidate)));
    },
  };
}
