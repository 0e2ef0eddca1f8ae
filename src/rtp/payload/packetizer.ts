/** What one RTP packet carries, without the header that the sender puts before it. */
export interface RtpPayload {
  readonly bytes: Uint8Array;
  /** The header's marker bit: by most formats the last packet of an access unit. */
  readonly marker: boolean;
}

/**
 * Cuts one access unit (a picture or an audio frame, as an MP4 sample holds it) into RTP payloads of at most the
 * `maxPayload` bytes that it was made with. Returns no payload for a unit with nothing to send. Pure: may be called again
 * with the same unit, in any order.
 */
export type Packetizer = (accessUnit: Uint8Array) => readonly RtpPayload[];

/** What an SDP says about a payload format, and how to make its payloads. */
export interface PayloadFormat {
  readonly kind: "video" | "audio";
  /** As registered with IANA and written in `a=rtpmap`: `H264`, `H265`, `mpeg4-generic`, `opus`. */
  readonly encodingName: string;
  /** Ticks per second of the RTP timestamp. */
  readonly clockRate: number;
  /** As in `a=rtpmap`; absent for video. */
  readonly channels?: number;
  /** The parameters of `a=fmtp`, joined by `;`. Empty if there are none. */
  readonly parameters: string;
  /** Makes a packetizer for payloads of at most `maxPayload` bytes. */
  packetizer(maxPayload: number): Packetizer;
}

/** Marks the last of `payloads` as the end of the access unit, the others not. */
export function withMarker(payloads: readonly Uint8Array[]): RtpPayload[] {
  return payloads.map((bytes, i) => ({ bytes, marker: i === payloads.length - 1 }));
}

/**
 * Cuts `bytes` into as few pieces of at most `maxLength` bytes as there can be, all of nearly the same length: a last
 * piece of a few bytes would cost a packet as the others do and gain nothing. The pieces are views.
 */
export function cutEvenly(bytes: Uint8Array, maxLength: number): Uint8Array[] {
  const pieces = Math.max(1, Math.ceil(bytes.length / maxLength));
  const length = Math.ceil(bytes.length / pieces);
  return Array.from({ length: pieces }, (_, i) => bytes.subarray(i * length, (i + 1) * length));
}
