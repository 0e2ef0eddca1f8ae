import { hasRecoveryPoint, type NalRole, nalInspector } from "./nal-inspector.ts";
import { h265Layout } from "./nal-payload.ts";
import type { PayloadInspector } from "./payload-facts.ts";

/** NAL unit types (H.265 Table 7-1). 16-23 are random access pictures: BLA, IDR, CRA; from 32 on nothing is a slice. */
const nalTypes = { firstKey: 16, lastKey: 23, lastSlice: 31, vps: 32, pps: 34, delimiter: 35, prefixSei: 39 } as const;

/**
 * H.265 (RFC 7798) without DONL fields: single NAL units, aggregation packets and fragmentation units. Key frames are IDR,
 * CRA and BLA pictures, and those that a recovery point SEI announces.
 */
export const inspectH265: PayloadInspector = nalInspector(h265Layout, roleOf);

function roleOf(type: number, body: Uint8Array): NalRole {
  if (type <= nalTypes.lastSlice) {
    // first_slice_segment_in_pic_flag is the first bit of a slice (§7.3.6.1).
    if (((body[0] ?? 0) & 0x80) === 0) return "other";
    return type >= nalTypes.firstKey && type <= nalTypes.lastKey ? "key-frame" : "starts-picture";
  }
  if (type >= nalTypes.vps && type <= nalTypes.pps) return "parameter-set";
  if (type === nalTypes.prefixSei) return hasRecoveryPoint(body) ? "key-frame" : "starts-picture";
  return type === nalTypes.delimiter ? "starts-picture" : "other";
}
