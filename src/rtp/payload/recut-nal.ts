import { type NalLayout, readNalPayload } from "./nal-payload.ts";
import { type NalUnitFormat, packNalUnits } from "./nal-unit.ts";
import { cutEvenly, withMarker } from "./packetizer.ts";
import type { Recutter } from "./recutter.ts";

/** Recuts H.264 (RFC 6184 §5.6-5.8) and H.265 (RFC 7798 §4.4): aggregates apart, NAL units and fragments into fragments. */
export function nalRecutter(layout: NalLayout, format: NalUnitFormat, maxPayload: number): Recutter {
  return (payload, marker) => {
    const read = readNalPayload(payload, layout);
    if (!read.ok) return [];
    if (payload.length <= maxPayload) return [{ bytes: payload, marker }];
    const pieces =
      read.value.form === "whole"
        ? packNalUnits(read.value.nalUnits, format, maxPayload)
        : recutFragment(payload, read.value.body, layout.headerLength, maxPayload);
    return withMarker(pieces).map(({ bytes, marker: isLast }) => ({ bytes, marker: isLast && marker }));
  };
}

/** The FU header's bits that say where the NAL unit begins and ends (RFC 6184 §5.8, RFC 7798 §4.4.3). */
const startBit = 0x80;
const endBit = 0x40;

function recutFragment(payload: Uint8Array, body: Uint8Array, headerLength: number, maxPayload: number): Uint8Array[] {
  const fuHeader = payload[headerLength] ?? 0;
  const pieces = cutEvenly(body, maxPayload - headerLength - 1);
  return pieces.map((piece, i) => {
    const bytes = new Uint8Array(headerLength + 1 + piece.length);
    bytes.set(payload.subarray(0, headerLength));
    const keepStart = i === 0 ? startBit : 0;
    const keepEnd = i === pieces.length - 1 ? endBit : 0;
    bytes[headerLength] = fuHeader & (0x3f | keepStart | keepEnd);
    bytes.set(piece, headerLength + 1);
    return bytes;
  });
}
