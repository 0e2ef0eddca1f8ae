import { readFileSync } from "node:fs";
import { encodeRtp } from "../../src/rtp/header.ts";
import { obuType, obuTypes } from "../../src/rtp/payload/av1-inspector.ts";
import type { CapturedDatagram } from "./captures.ts";

/** Packets of an AV1 file in the low-overhead format (AV1 §5.2), as its RTP specification puts them, 15 pictures a second. */
export function av1Stream(path: string, maxPayload = 400): CapturedDatagram[] {
  const datagrams: CapturedDatagram[] = [];
  let sequenceNumber = 65_500;
  let picture = 0;
  for (const obus of temporalUnits(readFileSync(path))) {
    const payloads = av1Payloads(obus, maxPayload);
    for (const [i, payload] of payloads.entries()) {
      sequenceNumber = (sequenceNumber + 1) & 0xffff;
      const timestamp = 1_000_000 + picture * 6000;
      const fields = { payloadType: 98, marker: i === payloads.length - 1, sequenceNumber, timestamp, ssrc: 5 };
      datagrams.push({
        atMs: (picture * 1000) / 15 + i * 0.1,
        destinationPort: 0,
        payload: encodeRtp(fields, payload),
      });
    }
    picture += 1;
  }
  return datagrams;
}

/** Payloads of one temporal unit: one OBU element each, cut where it does not fit (AV1 RTP §4.4, W = 1). */
export function av1Payloads(obus: readonly Uint8Array[], maxPayload: number): Uint8Array[] {
  const isNewSequence = obus.some((obu) => obuType(obu) === obuTypes.sequenceHeader);
  return obus.flatMap((obu, which) => {
    const pieces = Math.ceil(obu.length / (maxPayload - 1));
    return Array.from({ length: pieces }, (_, i) => {
      const flags = (i > 0 ? 0x80 : 0) | (i < pieces - 1 ? 0x40 : 0) | (isNewSequence && which + i === 0 ? 0x08 : 0);
      const piece = obu.subarray(i * (maxPayload - 1), (i + 1) * (maxPayload - 1));
      return Uint8Array.of(flags | 0x10, ...piece);
    });
  });
}

/** The OBUs of each temporal unit, without its delimiter and without size fields. */
export function temporalUnits(file: Uint8Array): Uint8Array[][] {
  const units: Uint8Array[][] = [];
  for (let at = 0; at < file.length; ) {
    const header = file[at] ?? 0;
    at += header & 0x04 ? 2 : 1;
    let length = 0;
    for (let shift = 0, more = true; more; shift += 7, at += 1) {
      length += ((file[at] ?? 0) & 0x7f) << shift;
      more = ((file[at] ?? 0) & 0x80) !== 0;
    }
    // has_size_field goes, since RTP says where an OBU ends.
    const obu = Uint8Array.of(header & ~0x02, ...file.subarray(at, at + length));
    if (obuType(obu) === obuTypes.temporalDelimiter) units.push([]);
    else units.at(-1)?.push(obu);
    at += length;
  }
  return units;
}
