import type { Endpoint } from "../../../core/address.ts";
import { addressSlot } from "../../../udp/native/layout.ts";
import { decodeSocketAddress } from "../../../udp/native/socket-address.ts";

/*
 * Many datagrams in one array, which changes hands between threads without being copied. Each is
 *
 *    0       4       8            40
 *   +-------+-------+------------+---------
 *   | socket| length| source     | payload …
 *   +-------+-------+------------+---------
 *
 * and starts at a multiple of 4. Little-endian; the source is a socket address.
 */
const headerBytes = 8 + addressSlot;

/** One datagram out of a parcel. `bytes` are its own to keep. */
export interface ParcelDatagram {
  readonly socket: number;
  readonly from: Endpoint;
  readonly bytes: Uint8Array;
}

/** Packs datagrams. */
export interface ParcelWriter {
  add(socket: number, source: Uint8Array, bytes: Uint8Array): void;
  /** What was added since the last time, `undefined` if there is nothing. */
  take(): Uint8Array<ArrayBuffer> | undefined;
}

/** An empty one. */
export function createParcelWriter(): ParcelWriter {
  let buffer = new Uint8Array(16_384);
  let used = 0;
  return {
    add(socket, source, bytes) {
      const next = (used + headerBytes + bytes.length + 3) & ~3;
      if (next > buffer.length) {
        const larger = new Uint8Array(Math.max(next, buffer.length * 2));
        larger.set(buffer.subarray(0, used));
        buffer = larger;
      }
      new Uint32Array(buffer.buffer, used, 2).set([socket, bytes.length]);
      buffer.set(source, used + 8);
      buffer.set(bytes, used + headerBytes);
      used = next;
    },
    take() {
      if (used === 0) return undefined;
      const taken = buffer.slice(0, used);
      used = 0;
      return taken;
    },
  };
}

/** Takes a parcel apart, in order. */
export function* readParcel(parcel: Uint8Array<ArrayBuffer>): Generator<ParcelDatagram> {
  for (let at = 0; at < parcel.length; ) {
    const [socket = 0, length = 0] = new Uint32Array(parcel.buffer, parcel.byteOffset + at, 2);
    const from = decodeSocketAddress(parcel, at + 8);
    const end = at + headerBytes + length;
    // A copy: what keeps a few bytes of one datagram would keep the whole parcel.
    if (from !== undefined) yield { socket, from, bytes: parcel.slice(at + headerBytes, end) };
    at = (end + 3) & ~3;
  }
}
