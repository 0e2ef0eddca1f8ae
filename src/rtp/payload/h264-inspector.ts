import { hasRecoveryPoint, type NalRole, nalInspector } from "./nal-inspector.ts";
import { h264Layout } from "./nal-payload.ts";
import type { PayloadInspector } from "./payload-facts.ts";

/** NAL unit types (H.264 Table 7-1). 14-18 may also stand before a picture's first slice (§7.4.1.2.3). */
const nalTypes = {
  slice: 1,
  partitionA: 2,
  idr: 5,
  sei: 6,
  sps: 7,
  pps: 8,
  delimiter: 9,
  prefix: 14,
  last: 18,
} as const;

/**
 * H.264 (RFC 6184): single NAL units, STAP-A and FU-A. Key frames are IDR pictures, and pictures that a recovery point SEI
 * announces: encoders with periodic intra refresh or open GOPs send no other.
 */
export const inspectH264: PayloadInspector = nalInspector(h264Layout, roleOf);

function roleOf(type: number, body: Uint8Array): NalRole {
  // A slice begins with first_mb_in_slice (§7.3.3): 0 is one set bit in Exp-Golomb code.
  const firstOfPicture = ((body[0] ?? 0) & 0x80) !== 0;
  switch (type) {
    case nalTypes.idr:
      return firstOfPicture ? "key-frame" : "other";
    case nalTypes.slice:
    case nalTypes.partitionA:
      return firstOfPicture ? "starts-picture" : "other";
    case nalTypes.sps:
    case nalTypes.pps:
      return "parameter-set";
    case nalTypes.sei:
      return hasRecoveryPoint(body) ? "key-frame" : "starts-picture";
    case nalTypes.delimiter:
      return "starts-picture";
    default:
      return type >= nalTypes.prefix && type <= nalTypes.last ? "starts-picture" : "other";
  }
}
