/** The big-endian 16 bits at `offset`. Bytes past the end count as 0: callers check bounds first. */
export function uint16At(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

/** The big-endian 32 bits at `offset`, unsigned. Bytes past the end count as 0: callers check bounds first. */
export function uint32At(bytes: Uint8Array, offset: number): number {
  return ((uint16At(bytes, offset) << 16) | uint16At(bytes, offset + 2)) >>> 0;
}

/** 16 bits as 2 bytes in network order. */
export function uint16Bytes(value: number): [number, number] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

/** 32 bits as 4 bytes in network order. */
export function uint32Bytes(value: number): [number, number, number, number] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

/** `length` rounded up to the 32-bit boundary on which STUN aligns its fields (RFC 8489 §14). */
export function paddedLength(length: number): number {
  return (length + 3) & ~3;
}

/** The text of well-formed UTF-8, `undefined` for anything else. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The UTF-8 bytes of `text`. */
export function utf8Bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

const encoder = new TextEncoder();
// A byte order mark is a character of the text here: dropping it would make two different values equal.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
