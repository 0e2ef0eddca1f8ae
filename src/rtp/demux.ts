import { decodeRtp, type RtpPacket, rtpHeaderLength } from "./header.ts";
import { rtcpHeaderLength } from "./rtcp/packet.ts";
import { readUint32 } from "./wire.ts";

/** What a datagram is by its first bytes. */
export type DatagramKind = "stun" | "dtls" | "rtp" | "rtcp" | "other";

/** Bytes of a STUN header, and the constant at its offset 4 (RFC 8489 §5). */
const stunHeaderLength = 20;
const stunMagicCookie = 0x2112a442;

/** Bytes of a DTLS record header (RFC 6347 §4.1). */
const dtlsHeaderLength = 13;

/**
 * Tells the protocols that share a media port apart: by the first byte (RFC 7983 §7), STUN by its cookie too, and RTCP
 * from RTP by a second byte of 192-223 (RFC 5761 §4). Looks at no more than that: `"rtp"` may still be malformed.
 */
export function classifyDatagram(bytes: Uint8Array): DatagramKind {
  const first = bytes[0] ?? 0xff;
  if (first <= 3)
    return bytes.length >= stunHeaderLength && readUint32(bytes, 4) === stunMagicCookie ? "stun" : "other";
  if (first >= 20 && first <= 63) return bytes.length >= dtlsHeaderLength ? "dtls" : "other";
  if (first < 128 || first > 191) return "other";
  const second = bytes[1] ?? 0;
  if (second >= 192 && second <= 223) return bytes.length >= rtcpHeaderLength ? "rtcp" : "other";
  return bytes.length >= rtpHeaderLength ? "rtp" : "other";
}

/** The RTP packet that a datagram is, on a port that other protocols may share; `undefined` for anything else. */
export function readRtp(bytes: Uint8Array): RtpPacket | undefined {
  const packet = classifyDatagram(bytes) === "rtp" ? decodeRtp(bytes) : undefined;
  return packet?.ok ? packet.value : undefined;
}
