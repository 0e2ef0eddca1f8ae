import { cutEvenly } from "./packetizer.ts";

/** What differs between the NAL unit payloads of H.264 (RFC 6184) and H.265 (RFC 7798). */
export interface NalUnitFormat {
  /** Bytes of a NAL unit's header, which is also the head of aggregation packets and fragments: 1 or 2. */
  readonly headerLength: number;
  /** The header of a packet that holds all of these NAL units. */
  aggregationHeader(nalUnits: readonly Uint8Array[]): Uint8Array;
  /** What goes before a piece of a cut NAL unit: payload header and FU header. */
  fragmentHeader(nalUnit: Uint8Array, first: boolean, last: boolean): Uint8Array;
}

/** Bytes before each NAL unit in an aggregation packet (RFC 6184 §5.7.1, RFC 7798 §4.4.2). */
const aggregatedLengthField = 2;

/**
 * The NAL units of an MP4 sample, each with `lengthSize` (1-4) bytes of length before it (ISO/IEC 14496-15 §5.3.3).
 * Views, not copies. Empty units and what follows a length that runs past the sample's end are left out.
 */
export function splitNalUnits(sample: Uint8Array, lengthSize: number): Uint8Array[] {
  const nalUnits: Uint8Array[] = [];
  for (let at = 0; at + lengthSize <= sample.length; ) {
    let length = 0;
    for (let i = 0; i < lengthSize; i++) length = length * 256 + (sample[at + i] ?? 0);
    const start = at + lengthSize;
    at = start + length;
    if (at > sample.length) break;
    if (length > 0) nalUnits.push(sample.subarray(start, at));
  }
  return nalUnits;
}

/**
 * Puts NAL units into payloads, in order: several that fit together into an aggregation packet, one that fits alone as it
 * is, one that does not in fragments.
 */
export function packNalUnits(nalUnits: readonly Uint8Array[], format: NalUnitFormat, maxPayload: number): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  let together: Uint8Array[] = [];
  let length = format.headerLength;
  const flush = (): void => {
    const [only] = together;
    if (together.length > 1) payloads.push(aggregate(together, format, length));
    else if (only !== undefined) payloads.push(only);
    together = [];
    length = format.headerLength;
  };
  for (const nalUnit of nalUnits) {
    const cost = aggregatedLengthField + nalUnit.length;
    if (length + cost > maxPayload) flush();
    if (nalUnit.length > maxPayload) payloads.push(...fragment(nalUnit, format, maxPayload));
    else {
      together.push(nalUnit);
      length += cost;
    }
  }
  flush();
  return payloads;
}

function aggregate(nalUnits: readonly Uint8Array[], format: NalUnitFormat, length: number): Uint8Array {
  const payload = new Uint8Array(length);
  payload.set(format.aggregationHeader(nalUnits));
  let at = format.headerLength;
  for (const nalUnit of nalUnits) {
    payload[at] = nalUnit.length >>> 8;
    payload[at + 1] = nalUnit.length;
    payload.set(nalUnit, at + aggregatedLengthField);
    at += aggregatedLengthField + nalUnit.length;
  }
  return payload;
}

function fragment(nalUnit: Uint8Array, format: NalUnitFormat, maxPayload: number): Uint8Array[] {
  const body = nalUnit.subarray(format.headerLength);
  // A fragment has one byte more than the NAL unit's header in front, in both formats.
  const pieces = cutEvenly(body, maxPayload - format.headerLength - 1);
  return pieces.map((piece, i) => {
    const header = format.fragmentHeader(nalUnit, i === 0, i === pieces.length - 1);
    const payload = new Uint8Array(header.length + piece.length);
    payload.set(header);
    payload.set(piece, header.length);
    return payload;
  });
}
