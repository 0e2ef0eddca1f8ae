import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint16, writeUint16 } from "../wire.ts";

/** RTCP packet types (IANA "RTCP Control Packet Types"; RFC 3550 §12.1, RFC 4585 §6.1). */
export const rtcpPacketTypes = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  bye: 203,
  transportFeedback: 205,
  payloadFeedback: 206,
} as const;

/**
 * One packet of a compound: the part that all types share (RFC 3550 §6.4.1), and a packet whose type is not known here.
 *
 *     +---+-+---------+---------------+-------------------------------+
 *     |V=2|P|  count  |  packetType   |   length in words, less one   |
 *     +---+-+---------+---------------+-------------------------------+
 */
export interface RawRtcpPacket {
  readonly type: "raw";
  /** 0-255. */
  readonly packetType: number;
  /** 0-31: how many blocks follow, or for feedback which format (FMT). */
  readonly count: number;
  /** What follows the four shared bytes, without padding; a view into the datagram. A multiple of 4 bytes if sent. */
  readonly body: Uint8Array;
}

/** Why bytes are not an RTCP compound. */
export type RtcpMalformation = "too-short" | "bad-version" | "bad-length" | "bad-padding" | "bad-body";

/** Bytes that every RTCP packet begins with. */
export const rtcpHeaderLength = 4;

/** Reads the packet at `at`; `end` is where the next one begins. */
export function decodeRawPacket(
  bytes: Uint8Array,
  at: number,
): Decoded<{ packet: RawRtcpPacket; end: number }, RtcpMalformation> {
  if (at + rtcpHeaderLength > bytes.length) return malformed("too-short");
  const flags = bytes[at] ?? 0;
  if (flags >>> 6 !== 2) return malformed("bad-version");
  const start = at + rtcpHeaderLength;
  const end = start + readUint16(bytes, at + 2) * 4;
  if (end > bytes.length) return malformed("bad-length");
  const padded = (flags & 0x20) !== 0;
  const padding = padded ? (bytes[end - 1] ?? 0) : 0;
  // RFC 3550 §6.4.1: padding counts itself and is a multiple of four bytes.
  if (padded && (padding === 0 || padding % 4 !== 0 || padding > end - start)) return malformed("bad-padding");
  const body = bytes.subarray(start, end - padding);
  return decoded({ packet: { type: "raw", packetType: bytes[at + 1] ?? 0, count: flags & 0x1f, body }, end });
}

/** Writes one packet; a body that is not a multiple of 4 bytes is filled with zeros. */
export function encodeRawPacket(packetType: number, count: number, body: Uint8Array): Uint8Array {
  const words = Math.ceil(body.length / 4);
  const bytes = new Uint8Array(rtcpHeaderLength + words * 4);
  bytes[0] = 0x80 | (count & 0x1f);
  bytes[1] = packetType;
  writeUint16(bytes, 2, words);
  bytes.set(body, rtcpHeaderLength);
  return bytes;
}
