import { cutEvenly, type PayloadFormat, withMarker } from "./packetizer.ts";

/** What an MP4's `esds` says about an AAC track. */
export interface AacConfig {
  /** The AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1), 2 bytes or more. */
  readonly audioSpecificConfig: Uint8Array;
  /** Samples per second, for the RTP timestamp. */
  readonly sampleRate: number;
  readonly channels: number;
}

/** AU-headers-length (16 bits) and one AU header: size in 13 bits, index in 3 (RFC 3640 §3.3.6). */
const headerLength = 4;

/** The longest frame whose size fits into 13 bits. An AAC frame has at most 6144 bits a channel: 10 channels fit. */
const maxFrameLength = 0x1fff;

/**
 * AAC in RTP (RFC 3640, mode AAC-hbr). One frame a packet: the next one would have to be waited for. A frame that does
 * not fit is cut into fragments, each with the size of the whole; one of more than 8191 bytes cannot be sent.
 */
export function aacFormat(config: AacConfig): PayloadFormat {
  return {
    kind: "audio",
    encodingName: "mpeg4-generic",
    clockRate: config.sampleRate,
    channels: config.channels,
    parameters: [
      // Audio (ISO/IEC 14496-1 Table 6), and a level because RFC 3640 §4.1 asks for one: players go by the config.
      "streamtype=5",
      "profile-level-id=1",
      "mode=AAC-hbr",
      "sizelength=13",
      "indexlength=3",
      "indexdeltalength=3",
      `config=${Buffer.from(config.audioSpecificConfig).toString("hex").toUpperCase()}`,
    ].join(";"),
    packetizer: (maxPayload) => (frame) => {
      if (frame.length === 0 || frame.length > maxFrameLength) return [];
      return withMarker(cutEvenly(frame, maxPayload - headerLength).map((piece) => withHeader(piece, frame.length)));
    },
  };
}

function withHeader(piece: Uint8Array, frameLength: number): Uint8Array {
  const payload = new Uint8Array(headerLength + piece.length);
  payload[1] = 16;
  payload[2] = frameLength >>> 5;
  payload[3] = frameLength << 3;
  payload.set(piece, headerLength);
  return payload;
}
