/*
 * Many packets in one array, which changes hands between threads without being copied. Each is
 *
 *    0       4       8        8+h
 *   +-------+-------+--------+---------
 *   | number| length| head … | payload …
 *   +-------+-------+--------+---------
 *
 * and starts at a multiple of 8. Little-endian; the head has h bytes, a multiple of 8, the same for all of a parcel.
 */

/** One packet out of a parcel. */
export interface ParcelPacket {
  /** What the writer told it apart by: a socket, a flow. */
  readonly number: number;
  /** Where the head begins in the parcel, which is a multiple of 8. */
  readonly headAt: number;
  /** A view into the parcel: what is kept for longer needs a copy, or it keeps the whole parcel. */
  readonly bytes: Uint8Array;
}

/** Packs packets. */
export interface ParcelWriter {
  /** The head is cut or filled up with what was there before. */
  add(number: number, head: Uint8Array, bytes: Uint8Array): void;
  /** What was added since the last time, `undefined` if there is nothing. */
  take(): Uint8Array<ArrayBuffer> | undefined;
  readonly isEmpty: boolean;
}

/** An empty one for heads of so many bytes. */
export function createParcelWriter(headBytes: number): ParcelWriter {
  const payloadAt = 8 + headBytes;
  let buffer = new Uint8Array(16_384);
  let words = new Uint32Array(buffer.buffer);
  let used = 0;
  return {
    add(number, head, bytes) {
      const next = (used + payloadAt + bytes.length + 7) & ~7;
      if (next > buffer.length) {
        const larger = new Uint8Array(Math.max(next, buffer.length * 2));
        larger.set(buffer.subarray(0, used));
        buffer = larger;
        words = new Uint32Array(buffer.buffer);
      }
      words[used >> 2] = number;
      words[(used >> 2) + 1] = bytes.length;
      buffer.set(head, used + 8);
      buffer.set(bytes, used + payloadAt);
      used = next;
    },
    take() {
      if (used === 0) return undefined;
      const taken = buffer.slice(0, used);
      used = 0;
      return taken;
    },
    get isEmpty() {
      return used === 0;
    },
  };
}

/** Takes a parcel apart, in order. */
export function* readParcel(parcel: Uint8Array<ArrayBuffer>, headBytes: number): Generator<ParcelPacket> {
  const words = new Uint32Array(parcel.buffer, parcel.byteOffset, parcel.length >> 2);
  for (let at = 0; at < parcel.length; ) {
    const [number = 0, length = 0] = [words[at >> 2], words[(at >> 2) + 1]];
    const payloadAt = at + 8 + headBytes;
    yield { number, headAt: at + 8, bytes: parcel.subarray(payloadAt, payloadAt + length) };
    at = (payloadAt + length + 7) & ~7;
  }
}
