import { type Decoded, decoded, malformed } from "../core/result.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "./wire.ts";

/**
 * The fields that a sender chooses for every packet (RFC 3550 §5.1).
 *
 *      0                   1                   2                   3
 *     +---+-+-+-------+-+-------------+-------------------------------+
 *     |V=2|P|X|  CC   |M| payloadType |        sequenceNumber         |
 *     +---+-+-+-------+-+-------------+-------------------------------+
 *     |                           timestamp                           |
 *     +---------------------------------------------------------------+
 *     |                             ssrc                              |
 *     +---------------------------------------------------------------+
 *     |                  csrcs (CC words), extension                  |
 */
export interface RtpFields {
  /** 0-127: what the payload is, by RFC 3551 or by the session's SDP. */
  readonly payloadType: number;
  /** For video: last packet of a frame. */
  readonly marker: boolean;
  /** 0-65535, one more per packet, wrapping. */
  readonly sequenceNumber: number;
  /** 0-2³²-1, in ticks of the payload's clock, wrapping. */
  readonly timestamp: number;
  /** 0-2³²-1, names the source. */
  readonly ssrc: number;
}

/** A header as it was found on the wire. */
export interface RtpHeader extends RtpFields {
  /** Bytes before the payload: 12, and the CSRCs and the extension if there are any. */
  readonly headerLength: number;
  /** Bytes after the payload, with the one that counts them; 0 without padding. */
  readonly paddingLength: number;
  /** Contributing sources, absent if there are none. */
  readonly csrcs?: readonly number[];
  /** The header extension, absent if there is none. */
  readonly extension?: RtpExtension;
}

/** A header extension (RFC 3550 §5.3.1): 16 bits that the profile defines, and a multiple of 4 bytes, not copied. */
export interface RtpExtension {
  readonly profile: number;
  readonly data: Uint8Array;
}

/** A packet: its header and its payload, which is a view into the datagram, not a copy. */
export interface RtpPacket extends RtpHeader {
  readonly payload: Uint8Array;
}

/** Why a datagram is not an RTP packet. */
export type RtpMalformation = "too-short" | "bad-version" | "truncated-header" | "bad-padding";

/** Bytes of a header with neither CSRCs nor extension (RFC 3550 §5.1). */
export const rtpHeaderLength = 12;

const paddingBit = 0x20;
const extensionBit = 0x10;

/**
 * Reads an RTP packet (RFC 3550 §5.1, A.1). Does not tell RTP from RTCP on the same port: see `classifyDatagram`.
 * The payload may be empty.
 */
export function decodeRtp(bytes: Uint8Array): Decoded<RtpPacket, RtpMalformation> {
  if (bytes.length < rtpHeaderLength) return malformed("too-short");
  const flags = bytes[0] ?? 0;
  if (flags >>> 6 !== 2) return malformed("bad-version");
  const csrcEnd = rtpHeaderLength + (flags & 0x0f) * 4;
  const extended = (flags & extensionBit) !== 0;
  if (csrcEnd + (extended ? 4 : 0) > bytes.length) return malformed("truncated-header");
  const headerLength = extended ? csrcEnd + 4 + readUint16(bytes, csrcEnd + 2) * 4 : csrcEnd;
  if (headerLength > bytes.length) return malformed("truncated-header");
  const padded = (flags & paddingBit) !== 0;
  const paddingLength = padded ? (bytes[bytes.length - 1] ?? 0) : 0;
  if (padded && (paddingLength === 0 || headerLength + paddingLength > bytes.length)) return malformed("bad-padding");
  const second = bytes[1] ?? 0;
  const packet: Mutable<RtpPacket> = {
    payloadType: second & 0x7f,
    marker: second > 0x7f,
    sequenceNumber: readUint16(bytes, 2),
    timestamp: readUint32(bytes, 4),
    ssrc: readUint32(bytes, 8),
    headerLength,
    paddingLength,
    payload: bytes.subarray(headerLength, bytes.length - paddingLength),
  };
  if (csrcEnd > rtpHeaderLength) packet.csrcs = readCsrcs(bytes, csrcEnd);
  if (extended) {
    packet.extension = { profile: readUint16(bytes, csrcEnd), data: bytes.subarray(csrcEnd + 4, headerLength) };
  }
  return decoded(packet);
}

/** Writes a packet with the 12-byte header (no CSRCs, extension or padding). Fields wider than their place are cut. */
export function encodeRtp(fields: RtpFields, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(rtpHeaderLength + payload.length);
  bytes[0] = 0x80;
  bytes[1] = (fields.marker ? 0x80 : 0) | (fields.payloadType & 0x7f);
  writeUint16(bytes, 2, fields.sequenceNumber);
  writeUint32(bytes, 4, fields.timestamp);
  writeUint32(bytes, 8, fields.ssrc);
  bytes.set(payload, rtpHeaderLength);
  return bytes;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

function readCsrcs(bytes: Uint8Array, end: number): number[] {
  const csrcs: number[] = [];
  for (let at = rtpHeaderLength; at < end; at += 4) csrcs.push(readUint32(bytes, at));
  return csrcs;
}
