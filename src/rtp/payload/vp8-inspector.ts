import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint16, readUint24 } from "../wire.ts";
import type { PayloadMalformation } from "./nal-payload.ts";
import { type PayloadInspector, payloadFacts } from "./payload-facts.ts";

/**
 * The payload descriptor (RFC 7741 §4.2):
 *
 *     |X|R|N|S|R| PID |  and with X: |I|L|T|K|  RSV  |, PictureID (7 or 15 bits), TL0PICIDX, TID/Y/KEYIDX
 */
export interface Vp8Descriptor {
  /** A partition begins here. */
  readonly startsPartition: boolean;
  /** 0-7; the frame's header stands at the start of partition 0. */
  readonly partition: number;
  /** 7 or 15 bits, one more per frame, wrapping; absent if the sender counts none. */
  readonly pictureId?: number;
  /** Bytes before the VP8 data. */
  readonly length: number;
}

/** The three bytes after a key frame's tag (RFC 6386 §9.1). */
const startCode = 0x9d012a;

/** Reads the descriptor; there is at least one byte after it. */
export function readVp8Descriptor(payload: Uint8Array): Decoded<Vp8Descriptor, PayloadMalformation> {
  const first = payload[0] ?? 0;
  let length = 1;
  let pictureId: number | undefined;
  // The second R bit belonged to a PartID of 4 bits in drafts; there have never been more than 9 partitions.
  if (first & 0x48) return malformed("bad-descriptor");
  if (first & 0x80) {
    const extension = payload[1] ?? 0;
    if (extension & 0x0f) return malformed("bad-descriptor");
    length = 2;
    if (extension & 0x80) {
      const long = ((payload[length] ?? 0) & 0x80) !== 0;
      pictureId = long ? readUint16(payload, length) & 0x7fff : (payload[length] ?? 0);
      length += long ? 2 : 1;
    }
    if (extension & 0x40) length += 1;
    if (extension & 0x30) length += 1;
  }
  if (payload.length <= length) return malformed("too-short");
  const descriptor = { startsPartition: (first & 0x10) !== 0, partition: first & 0x07, length };
  return decoded(pictureId === undefined ? descriptor : { ...descriptor, pictureId });
}

/** VP8 (RFC 7741): a frame begins with the start of partition 0, and its first bit says whether it is a key frame. */
export const inspectVp8: PayloadInspector = (payload) => {
  const descriptor = readVp8Descriptor(payload);
  if (!descriptor.ok) return descriptor;
  const { startsPartition, partition, length } = descriptor.value;
  if (!startsPartition || partition !== 0) return payloadFacts(false, false);
  if ((payload[length] ?? 0) & 0x01) return payloadFacts(true, false);
  // A packet too short for the start code cannot be a key frame: one has ten bytes of header at least.
  return payloadFacts(true, payload.length >= length + 10 && readUint24(payload, length + 3) === startCode);
};
