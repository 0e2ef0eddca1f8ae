import { classifyDatagram } from "../rtp/demux.ts";
import { describe } from "../sdp/describe.ts";
import type { Sdp } from "../sdp/session.ts";

/** What a program has to be told to open the stream: a description, or that MPEG-TS comes without RTP. */
export type StreamSource = { readonly kind: "sdp"; readonly sdp: Sdp } | { readonly kind: "mpegts" };

/** Payload type of MPEG-TS, and its clock rate (RFC 3551 §6). */
const mpegTsPayloadType = 33;
const mpegTsClockRate = 90_000;

/** A transport stream is made of packets of 188 bytes that begin with 0x47 (ISO/IEC 13818-1 §2.4.3.2). */
const tsPacketLength = 188;
const tsSyncByte = 0x47;

/**
 * What the first packet of component 0 tells by itself: MPEG-TS, bare or in RTP. `undefined`: only a description tells.
 */
export function sourceFromPacket(bytes: Uint8Array): StreamSource | undefined {
  if (bytes.length > 0 && bytes.length % tsPacketLength === 0 && bytes[0] === tsSyncByte) return { kind: "mpegts" };
  if (classifyDatagram(bytes) !== "rtp" || ((bytes[1] ?? 0) & 0x7f) !== mpegTsPayloadType) return undefined;
  const media = { kind: "video", payloadType: mpegTsPayloadType, codec: "MP2T", clockRate: mpegTsClockRate } as const;
  return {
    kind: "sdp",
    sdp: describe({ sessionName: "MPEG-TS", address: "127.0.0.1", basePort: 5004, media: [media] }),
  };
}

/** True if all there is in the description is MPEG-TS in RTP, which players take without one. */
export function isMpegTs(sdp: Sdp): boolean {
  return sdp.media.length === 1 && sdp.media[0]?.formats[0]?.codec?.toUpperCase() === "MP2T";
}
