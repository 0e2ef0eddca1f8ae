import { PunchcastError } from "../../core/errors.ts";
import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { uint32At, uint32Bytes } from "../bytes.ts";

/**
 * LIFETIME (RFC 8656 §18.2): how long the server keeps what the request made, in whole seconds as 32 bits. In Punchcast
 * 0 in a request means to leave. Throws `INTERNAL` if the number is not one of 32 bits.
 */
export function encodeLifetime(seconds: number): Uint8Array {
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > 0xffffffff) {
    throw new PunchcastError("INTERNAL", `A lifetime of ${seconds} s is not a 32-bit number; please report this.`);
  }
  return Uint8Array.from(uint32Bytes(seconds));
}

/** Reads what `encodeLifetime` writes, in seconds. */
export function decodeLifetime(value: Uint8Array): Decoded<number, "bad-length"> {
  return value.length === 4 ? decoded(uint32At(value, 0)) : malformed("bad-length");
}
