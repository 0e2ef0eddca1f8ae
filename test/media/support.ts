import { encodeRtp } from "../../src/rtp/header.ts";

/** The SSRC of the tests' packets. */
export const mediaSsrc = 0x6b8b4567;

/** What a test packet may have of its own. */
export interface PacketOptions {
  readonly ssrc?: number;
  /** Default: a frame a packet, 40 ms in 90 kHz. */
  readonly timestamp?: number;
  /** Bytes, 12 at least. */
  readonly length?: number;
  readonly payloadType?: number;
}

/** An RTP packet; numbers may go on beyond 65535, so that timestamps do not wrap with them. */
export function packet(sequenceNumber: number, options: PacketOptions = {}): Uint8Array {
  const { ssrc = mediaSsrc, timestamp = sequenceNumber * 3600, length = 100, payloadType = 96 } = options;
  const fields = { payloadType, marker: false, sequenceNumber: sequenceNumber & 0xffff, timestamp, ssrc };
  return encodeRtp(fields, new Uint8Array(Math.max(0, length - 12)).fill(sequenceNumber & 0xff));
}

/** The number of a packet. */
export function numberOf(bytes: Uint8Array): number {
  return ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
}
