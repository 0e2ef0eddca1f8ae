import type { RtpPayload } from "./packetizer.ts";

/**
 * Makes of one payload as it came those that a path with less room takes: in order, each of at most `maxPayload` bytes, the
 * marker on the last. None if the payload is malformed. Nothing is decoded, so a packet may be recut before the next one
 * has come. Pieces that are no copies are views into the payload.
 */
export type Recutter = (payload: Uint8Array, marker: boolean) => readonly RtpPayload[];
