import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint16 } from "../wire.ts";
import type { PayloadMalformation } from "./nal-payload.ts";
import { type PayloadInspector, payloadFacts } from "./payload-facts.ts";

/**
 * The payload descriptor (RFC 9628 §4.2):
 *
 *     |I|P|L|F|B|E|V|Z|, PictureID (I), layer indices (L), TL0PICIDX (L, not F), reference indices (F and P),
 *     scalability structure (V)
 */
export interface Vp9Descriptor {
  /** P: needs earlier pictures. */
  readonly interPredicted: boolean;
  /** F: references are named by the packet. */
  readonly flexible: boolean;
  /** B and E: the first and the last packet of a frame (of one spatial layer). */
  readonly startsFrame: boolean;
  readonly endsFrame: boolean;
  /** 0-7; 0 without layer indices. */
  readonly spatialLayer: number;
  /** 7 or 15 bits, one more per picture, wrapping; absent if the sender counts none. */
  readonly pictureId?: number;
  /** Bytes before the VP9 data. */
  readonly length: number;
}

/** RFC 9628 §4.2: a flexible picture has at most three references. */
const maxReferences = 3;

/** Reads the descriptor; there is at least one byte after it. */
export function readVp9Descriptor(payload: Uint8Array): Decoded<Vp9Descriptor, PayloadMalformation> {
  const flags = payload[0] ?? 0;
  const interPredicted = (flags & 0x40) !== 0;
  const flexible = (flags & 0x10) !== 0;
  let at = 1;
  let pictureId: number | undefined;
  let spatialLayer = 0;
  if (flags & 0x80) {
    const long = ((payload[at] ?? 0) & 0x80) !== 0;
    pictureId = long ? readUint16(payload, at) & 0x7fff : (payload[at] ?? 0);
    at += long ? 2 : 1;
  }
  if (flags & 0x20) {
    spatialLayer = ((payload[at] ?? 0) >>> 1) & 0x07;
    at += flexible ? 1 : 2;
  }
  if (flexible && interPredicted) {
    // §4.2: flexible mode needs the PictureID that its references count from.
    if (pictureId === undefined) return malformed("bad-descriptor");
    let references = 0;
    let more = true;
    while (more) {
      if (references === maxReferences) return malformed("bad-descriptor");
      more = ((payload[at] ?? 0) & 0x01) !== 0;
      references += 1;
      at += 1;
    }
  }
  if (flags & 0x02) at = afterScalabilityStructure(payload, at);
  if (payload.length <= at) return malformed("too-short");
  const startsFrame = (flags & 0x08) !== 0;
  const endsFrame = (flags & 0x04) !== 0;
  const descriptor = { interPredicted, flexible, startsFrame, endsFrame, spatialLayer, length: at };
  return decoded(pictureId === undefined ? descriptor : { ...descriptor, pictureId });
}

/**
 * VP9 (RFC 9628), flexible or not: a picture begins with the first packet of its lowest spatial layer; it is a key frame if
 * it is not predicted and its own header says so (an intra-only frame is not predicted either, but no start).
 */
export const inspectVp9: PayloadInspector = (payload) => {
  const descriptor = readVp9Descriptor(payload);
  if (!descriptor.ok) return descriptor;
  const { startsFrame, spatialLayer, interPredicted, length } = descriptor.value;
  const starts = startsFrame && spatialLayer === 0;
  return payloadFacts(starts, starts && !interPredicted && isKeyFrameHeader(payload[length] ?? 0));
};

/** The first byte of the uncompressed header: frame_marker 2, profile 2, (reserved), show_existing_frame, frame_type = 0. */
function isKeyFrameHeader(byte: number): boolean {
  if (byte >>> 6 !== 2) return false;
  // Profile 3 has one reserved bit more before the two flags (VP9 bitstream specification §6.2).
  return (byte & 0x30) === 0x30 ? (byte & 0x06) === 0 : (byte & 0x0c) === 0;
}

/** N_S (3 bits), Y, G; with Y a width and height per layer; with G a count of pictures, each with up to 3 references. */
function afterScalabilityStructure(payload: Uint8Array, start: number): number {
  const head = payload[start] ?? 0;
  let at = start + 1;
  if (head & 0x10) at += 4 * ((head >>> 5) + 1);
  if (head & 0x08) {
    const pictures = payload[at] ?? 0;
    at += 1;
    for (let i = 0; i < pictures; i += 1) at += 1 + (((payload[at] ?? 0) >>> 2) & 0x03);
  }
  return at;
}
