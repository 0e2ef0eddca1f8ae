/**
 * A session description as sdp-transform reads it, in that library's own names: the whole text, of which `Sdp` shows what
 * the relay works with. Attributes that the library does not know stand verbatim in `invalid`.
 */
export interface SdpTree {
  version?: number;
  origin?: {
    username: string | number;
    sessionId: string | number;
    sessionVersion: number;
    netType: string;
    ipVer: 4 | 6;
    address: string | number;
  };
  name?: string | number;
  connection?: { version: 4 | 6; ip: string | number };
  timing?: { start: number; stop: number };
  invalid?: { value: string }[];
  media: SdpMediaTree[];
  [other: string]: unknown;
}

/** One m= line of an `SdpTree` and what stands below it. */
export interface SdpMediaTree {
  type: string;
  port: number;
  protocol: string;
  payloads: string | number;
  rtp: { payload: number; codec: string | number; rate?: number; encoding?: string | number }[];
  fmtp: { payload: number; config: string | number }[];
  bandwidth?: { type: string; limit: number }[];
  invalid?: { value: string }[];
  [other: string]: unknown;
}
