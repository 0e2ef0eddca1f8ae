import { cutEvenly } from "./packetizer.ts";
import type { Recutter } from "./recutter.ts";
import { readVp8Descriptor } from "./vp8-inspector.ts";

/** N, S and PID of the descriptor's first byte (RFC 7741 §4.2); without X nothing follows it. */
const keptBits = 0x37;
const startBit = 0x10;

/** Recuts VP8: pieces of one partition have its number, and only the first one begins it. */
export function recutVp8(maxPayload: number): Recutter {
  return (payload, marker) => {
    const read = readVp8Descriptor(payload);
    if (!read.ok) return [];
    const first = (payload[0] ?? 0) & keptBits;
    const pieces = cutEvenly(payload.subarray(read.value.length), maxPayload - 1);
    return pieces.map((piece, i) => {
      const bytes = new Uint8Array(1 + piece.length);
      bytes[0] = i === 0 ? first : first & ~startBit;
      bytes.set(piece, 1);
      return { bytes, marker: marker && i === pieces.length - 1 };
    });
  };
}
