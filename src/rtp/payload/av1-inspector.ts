import { type Decoded, decoded, malformed } from "../../core/result.ts";
import type { PayloadMalformation } from "./nal-payload.ts";
import { type PayloadInspector, payloadFacts } from "./payload-facts.ts";

/** The payload's first byte (AV1 RTP specification §4.4): |Z|Y| W |N|-|-|-|, and the OBU elements after it. */
export interface Av1Payload {
  /** Z: the first element goes on with the previous packet's last. */
  readonly continues: boolean;
  /** Y: the last element goes on in the next packet. */
  readonly continued: boolean;
  /** N: a coded video sequence begins with this packet. */
  readonly newSequence: boolean;
  /** Each an OBU or a piece of one. Views, not copies. */
  readonly elements: readonly Uint8Array[];
}

/** OBU types (AV1 specification §6.2.2). */
export const obuTypes = {
  sequenceHeader: 1,
  temporalDelimiter: 2,
  frameHeader: 3,
  tileGroup: 4,
  metadata: 5,
  frame: 6,
} as const;

/** An OBU's type, from its first byte: |F| type |X|S|-|. */
export function obuType([header = 0]: Uint8Array): number {
  return (header >>> 3) & 0x0f;
}

/** A size of more bytes is beyond any datagram. */
const maxSizeBytes = 3;

/** Reads the aggregation header and cuts the elements apart. */
export function readAv1Payload(payload: Uint8Array): Decoded<Av1Payload, PayloadMalformation> {
  const head = payload[0] ?? 0;
  if (payload.length < 2) return malformed("too-short");
  if (head & 0x07) return malformed("bad-descriptor");
  const continues = (head & 0x80) !== 0;
  const newSequence = (head & 0x08) !== 0;
  // §4.4: a new sequence begins with an OBU's start.
  if (continues && newSequence) return malformed("bad-descriptor");
  const count = (head >>> 4) & 0x03;
  const elements: Uint8Array[] = [];
  let at = 1;
  // With a count W the last element has no size field; with W = 0 every one has.
  while (at < payload.length) {
    let length = payload.length - at;
    if (elements.length + 1 !== count) {
      length = 0;
      let size = 0;
      let more = true;
      for (; more && size < maxSizeBytes; size += 1) {
        const byte = payload[at + size] ?? 0;
        length += (byte & 0x7f) * 2 ** (7 * size);
        more = (byte & 0x80) !== 0;
      }
      at += size;
      if (more || at + length > payload.length) return malformed("bad-aggregation");
    }
    if (length > 0) elements.push(payload.subarray(at, at + length));
    at += length;
    if (elements.length === count && at < payload.length) return malformed("bad-aggregation");
    if (length === 0 && count !== 0) return malformed("bad-aggregation");
  }
  if (elements.length === 0 || (count !== 0 && elements.length !== count)) return malformed("bad-aggregation");
  return decoded({ continues, continued: (head & 0x40) !== 0, newSequence, elements });
}

/**
 * AV1 (RTP specification v1.0): a key frame begins where the N bit is set, or where a sequence header comes, since one
 * stands before each key frame and not every sender sets N.
 */
export const inspectAv1: PayloadInspector = (payload) => {
  const read = readAv1Payload(payload);
  if (!read.ok) return read;
  const { continues, continued, newSequence, elements } = read.value;
  let startsPicture = newSequence;
  let keyFrame = newSequence;
  let sequenceHeaders: Uint8Array[] | undefined;
  for (const [i, element] of elements.entries()) {
    if (i === 0 && continues) continue;
    const type = obuType(element);
    if (type !== obuTypes.tileGroup) startsPicture = true;
    if (type !== obuTypes.sequenceHeader) continue;
    keyFrame = true;
    if (continued && i === elements.length - 1) continue;
    sequenceHeaders ??= [];
    sequenceHeaders.push(element);
  }
  return payloadFacts(startsPicture, keyFrame, sequenceHeaders);
};
