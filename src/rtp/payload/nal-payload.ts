import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint16 } from "../wire.ts";

/** What differs between the RTP payloads of H.264 (RFC 6184 §5.6-5.8) and H.265 (RFC 7798 §4.4) as they are read. */
export interface NalLayout {
  /** Bytes of a NAL unit's header: 1 or 2. */
  readonly headerLength: 1 | 2;
  /** The type that marks an aggregation packet without decoding order numbers. */
  readonly aggregation: number;
  /** The type that marks a fragment without decoding order number. */
  readonly fragmentation: number;
  /** Types above this one are other structures (with decoding order numbers, PACI), which no common sender uses. */
  readonly lastSingle: number;
  /** The type in the first byte of a header. */
  typeOf(firstByte: number): number;
  /** The type in the FU header of a fragment. */
  fragmentTypeOf(fuHeader: number): number;
  /** The header that the cut NAL unit had, from a fragment of it. */
  originalHeader(payload: Uint8Array): Uint8Array;
}

/** What one payload holds: NAL units as they are, or a piece of one. Views, not copies. */
export type NalPayload =
  | { readonly form: "whole"; readonly nalUnits: readonly Uint8Array[] }
  | {
      readonly form: "fragment";
      readonly type: number;
      readonly first: boolean;
      readonly last: boolean;
      /** What follows the FU header. The first piece begins with what follows the NAL unit's header. */
      readonly body: Uint8Array;
    };

/** Why a payload is not one of the codec it is read as. */
export type PayloadMalformation =
  | "too-short"
  | "forbidden-bit"
  | "unknown-structure"
  | "bad-aggregation"
  | "bad-fragment"
  | "bad-descriptor";

/** H.264: a header byte of F, NRI (2 bits) and type (5 bits); STAP-A and FU-A. */
export const h264Layout: NalLayout = {
  headerLength: 1,
  aggregation: 24,
  fragmentation: 28,
  lastSingle: 23,
  typeOf: (firstByte) => firstByte & 0x1f,
  fragmentTypeOf: (fuHeader) => fuHeader & 0x1f,
  originalHeader: ([indicator = 0, fu = 0]) => Uint8Array.of((indicator & 0xe0) | (fu & 0x1f)),
};

/** H.265: two header bytes of F, type (6 bits), layer (6 bits) and temporal id (3 bits); AP and FU without DONL. */
export const h265Layout: NalLayout = {
  headerLength: 2,
  aggregation: 48,
  fragmentation: 49,
  lastSingle: 47,
  typeOf: (firstByte) => (firstByte >>> 1) & 0x3f,
  fragmentTypeOf: (fuHeader) => fuHeader & 0x3f,
  originalHeader: ([first = 0, second = 0, fu = 0]) => Uint8Array.of((first & 0x81) | ((fu & 0x3f) << 1), second),
};

/** Reads a payload's structure; what is inside the NAL units is not looked at. */
export function readNalPayload(payload: Uint8Array, layout: NalLayout): Decoded<NalPayload, PayloadMalformation> {
  const { headerLength } = layout;
  if (payload.length <= headerLength) return malformed("too-short");
  const first = payload[0] ?? 0;
  if (first & 0x80) return malformed("forbidden-bit");
  const type = layout.typeOf(first);
  if (type === layout.fragmentation) return readFragment(payload, layout);
  if (type === layout.aggregation) return readAggregation(payload, layout);
  if (type > layout.lastSingle) return malformed("unknown-structure");
  return decoded({ form: "whole", nalUnits: [payload] });
}

function readFragment(payload: Uint8Array, layout: NalLayout): Decoded<NalPayload, PayloadMalformation> {
  const fuHeader = payload[layout.headerLength] ?? 0;
  const first = (fuHeader & 0x80) !== 0;
  const last = (fuHeader & 0x40) !== 0;
  const body = payload.subarray(layout.headerLength + 1);
  const type = layout.fragmentTypeOf(fuHeader);
  // RFC 6184 §5.8, RFC 7798 §4.4.3: one fragment is never both ends, nor a structure within a structure.
  if (body.length === 0 || (first && last) || type > layout.lastSingle) return malformed("bad-fragment");
  return decoded({ form: "fragment", type, first, last, body });
}

function readAggregation(payload: Uint8Array, layout: NalLayout): Decoded<NalPayload, PayloadMalformation> {
  const nalUnits: Uint8Array[] = [];
  for (let at = layout.headerLength; at < payload.length; ) {
    const start = at + 2;
    at = start + readUint16(payload, at);
    const nalUnit = payload.subarray(start, at);
    if (nalUnit.length <= layout.headerLength || at > payload.length) return malformed("bad-aggregation");
    if (layout.typeOf(nalUnit[0] ?? 0) > layout.lastSingle) return malformed("bad-aggregation");
    nalUnits.push(nalUnit);
  }
  return decoded({ form: "whole", nalUnits });
}
