import { addressFamily } from "../core/address.ts";
import { readSdp, type Sdp, sdpOfTree, writeSdp } from "./session.ts";
import type { SdpMediaTree } from "./tree.ts";

/** A session as its sender knows it. */
export interface SessionDescription {
  /** For people; line breaks become spaces. */
  readonly sessionName: string;
  /** Where the packets go: an IP literal or, as RFC 8866 allows, a host name. */
  readonly address: string;
  /** UDP port of the first track; track i has basePort+2i. */
  readonly basePort: number;
  /** At least one. */
  readonly media: readonly MediaDescription[];
}

/** One track. */
export interface MediaDescription {
  readonly kind: "audio" | "video" | "application";
  /** 0-127; dynamic types begin at 96. */
  readonly payloadType: number;
  /** The name in the codec's RTP payload format: `H264`, `H265`, `mpeg4-generic`, `opus`, … */
  readonly codec: string;
  /** In Hz. */
  readonly clockRate: number;
  /** Audio only; left out of the rtpmap if absent. */
  readonly channels?: number;
  /** Codec parameters, such as `packetization-mode=1; sprop-parameter-sets=…`. */
  readonly fmtp?: string;
  /** Of the RTP payload, in bits a second; written as b=AS in kbit/s, rounded up. */
  readonly bitrate?: number;
}

/** The description of a session about to be sent, fit for `writeSdp`. Throws `BAD_SDP` if a value fits no line. */
export function describe(session: SessionDescription): Sdp {
  const family = addressFamily(session.address);
  const sdp = sdpOfTree({
    version: 0,
    origin: {
      username: "-",
      sessionId: 0,
      sessionVersion: 0,
      netType: "IN",
      ipVer: family,
      address: session.address,
    },
    name: oneLine(session.sessionName) || "-",
    connection: { version: family, ip: session.address },
    timing: { start: 0, stop: 0 },
    media: session.media.map((media, i) => mediaTree(media, session.basePort + 2 * i)),
  });
  // Reading it back refuses what would not be one line of its kind.
  return readSdp(writeSdp(sdp));
}

function mediaTree(media: MediaDescription, port: number): SdpMediaTree {
  const { kind: type, payloadType: payload, codec, clockRate: rate, channels, fmtp, bitrate } = media;
  return {
    type,
    port,
    protocol: "RTP/AVP",
    payloads: payload,
    rtp: [{ payload, codec, rate, ...(channels === undefined ? {} : { encoding: channels }) }],
    fmtp: fmtp === undefined ? [] : [{ payload, config: oneLine(fmtp) }],
    ...(bitrate === undefined ? {} : { bandwidth: [{ type: "AS", limit: Math.ceil(bitrate / 1000) }] }),
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ").trim();
}
