import { obuType, obuTypes, readAv1Payload } from "./av1-inspector.ts";
import { cutEvenly, type RtpPayload } from "./packetizer.ts";
import type { Recutter } from "./recutter.ts";

/** The aggregation header (AV1 RTP specification §4.4): Z, Y, W = 1 element, which needs no size field, and N. */
const bits = { continues: 0x80, continued: 0x40, oneElement: 0x10, newSequence: 0x08 } as const;

/** Recuts AV1: what is too large becomes a packet for each OBU element or piece of one. */
export function recutAv1(maxPayload: number): Recutter {
  return (payload, marker) => {
    const read = readAv1Payload(payload);
    if (!read.ok) return [];
    if (payload.length <= maxPayload) return [{ bytes: payload, marker }];
    const { continues, continued, newSequence, elements } = read.value;
    const payloads: RtpPayload[] = [];
    for (const [i, element] of elements.entries()) {
      const [goesOn, isToGoOn] = [i === 0 && continues, i === elements.length - 1 && continued];
      // §5: a temporal delimiter is not to be sent; its place is told by the timestamp.
      if (!goesOn && obuType(element) === obuTypes.temporalDelimiter) continue;
      const pieces = cutEvenly(element, maxPayload - 1);
      for (const [k, piece] of pieces.entries()) {
        const bytes = new Uint8Array(1 + piece.length);
        bytes[0] =
          bits.oneElement |
          (k > 0 || goesOn ? bits.continues : 0) |
          (k < pieces.length - 1 || isToGoOn ? bits.continued : 0) |
          (newSequence && payloads.length === 0 ? bits.newSequence : 0);
        bytes.set(piece, 1);
        payloads.push({ bytes, marker: false });
      }
    }
    const last = payloads.pop();
    return last === undefined ? [] : [...payloads, { ...last, marker }];
  };
}
