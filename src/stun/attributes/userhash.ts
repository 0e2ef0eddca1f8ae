import { PunchcastError } from "../../core/errors.ts";
import { type Decoded, decoded, malformed } from "../../core/result.ts";

/** A SHA-256 digest. */
const userhashLength = 32;

/**
 * USERHASH (RFC 8489 §14.4): stands for USERNAME where the nonce offers user name anonymity. The value is `userHash`'s
 * 32 bytes as they are. Throws `INTERNAL` for any other length.
 */
export function encodeUserhash(hash: Uint8Array): Uint8Array {
  if (hash.length !== userhashLength) {
    throw new PunchcastError("INTERNAL", `A USERHASH has 32 bytes, not ${hash.length}; please report this.`);
  }
  return hash.slice();
}

/** Reads what `encodeUserhash` writes. */
export function decodeUserhash(value: Uint8Array): Decoded<Uint8Array, "bad-length"> {
  return value.length === userhashLength ? decoded(value) : malformed("bad-length");
}
