import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { uint16At, uint16Bytes } from "../bytes.ts";

/** UNKNOWN-ATTRIBUTES (RFC 8489 §14.13): the attribute types that a 420 complains about, 16 bits each. */
export function encodeUnknownAttributes(types: readonly number[]): Uint8Array {
  return Uint8Array.from(types.flatMap(uint16Bytes));
}

/** Reads what `encodeUnknownAttributes` writes. */
export function decodeUnknownAttributes(value: Uint8Array): Decoded<number[], "odd-length"> {
  if (value.length % 2 !== 0) return malformed("odd-length");
  return decoded(Array.from({ length: value.length / 2 }, (_, i) => uint16At(value, i * 2)));
}
