import { parse, write } from "sdp-transform";
import { PunchcastError } from "../core/errors.ts";
import { staticPayloadType } from "../rtp/static-payload-types.ts";
import { readLines } from "./lines.ts";
import type { SdpMediaTree, SdpTree } from "./tree.ts";

/** A session description (RFC 8866): what the relay works with, and the whole of it for writing. */
export interface Sdp {
  /** s=; empty if there is none. */
  readonly name: string;
  /** The tracks in their order; track i arrives on components 2i (RTP) and 2i+1 (RTCP). At least one. */
  readonly media: readonly SdpMedia[];
  /** Everything that was read, with attributes not known here. */
  readonly tree: Readonly<SdpTree>;
}

/** One m= line. */
export interface SdpMedia {
  /** `video`, `audio`, `application`, … */
  readonly kind: string;
  /** UDP port of its RTP. */
  readonly port: number;
  /** As written: `RTP/AVP`, `RTP/SAVPF`, `udp`, … */
  readonly protocol: string;
  /** What the packets may hold, preferred first; empty if the protocol is not RTP. */
  readonly formats: readonly SdpFormat[];
}

/** One RTP payload type of an m= line. */
export interface SdpFormat {
  readonly payloadType: number;
  /** As in the rtpmap (`H264`, `mpeg4-generic`) or RFC 3551; absent if neither names it. */
  readonly codec?: string;
  /** In Hz; absent with the codec. */
  readonly clockRate?: number;
  /** Audio only, where it is stated. */
  readonly channels?: number;
  /** Codec parameters as written. */
  readonly fmtp?: string;
}

/**
 * Reads a description as senders write it: CRLF or LF, blank lines around it, ffmpeg's `SDP:` before it.
 * Throws `BAD_SDP` naming the line and the remedy.
 */
export function readSdp(text: string): Sdp {
  return sdpOfTree(parse(readLines(text).join("\r\n")));
}

/** Writes a description with CRLF. Attributes not known here are kept; an origin and a time that were missing are added. */
export function writeSdp(sdp: Sdp): string {
  return write({
    ...sdp.tree,
    origin: sdp.tree.origin ?? {
      username: "-",
      sessionId: 0,
      sessionVersion: 0,
      netType: "IN",
      ipVer: sdp.tree.connection?.version ?? 4,
      address: sdp.tree.connection?.ip ?? "127.0.0.1",
    },
    timing: sdp.tree.timing ?? { start: 0, stop: 0 },
  });
}

/** The view of a tree. */
export function sdpOfTree(tree: SdpTree): Sdp {
  return { name: String(tree.name ?? "").trim(), media: tree.media.map(mediaOf), tree };
}

/**
 * Clock rate in Hz per payload type, for receive statistics: of track `mediaIndex`, or of all tracks. A number that two
 * tracks use at different rates is left out of the latter. Throws `BAD_SDP` if there is no such track.
 */
export function clockRates(sdp: Sdp, mediaIndex?: number): Map<number, number> {
  const media = mediaIndex === undefined ? sdp.media : sdp.media.slice(mediaIndex, mediaIndex + 1);
  if (media.length === 0) {
    throw new PunchcastError("BAD_SDP", `The SDP has ${sdp.media.length} tracks: there is no track ${mediaIndex}.`);
  }
  const rates = new Map<number, number>();
  const ambiguous = new Set<number>();
  for (const { payloadType, clockRate } of media.flatMap(({ formats }) => formats)) {
    if (clockRate === undefined) continue;
    if ((rates.get(payloadType) ?? clockRate) !== clockRate) ambiguous.add(payloadType);
    rates.set(payloadType, clockRate);
  }
  for (const payloadType of ambiguous) rates.delete(payloadType);
  return rates;
}

function mediaOf(media: SdpMediaTree): SdpMedia {
  const { type: kind, port, protocol } = media;
  const payloadTypes = protocol.includes("RTP") ? String(media.payloads).split(/ +/).map(Number) : [];
  return { kind, port, protocol, formats: payloadTypes.map((payloadType) => formatOf(media, payloadType)) };
}

function formatOf(media: SdpMediaTree, payloadType: number): SdpFormat {
  const map = media.rtp.find(({ payload }) => payload === payloadType);
  const config = media.fmtp.find(({ payload }) => payload === payloadType)?.config;
  const fmtp = config === undefined ? {} : { fmtp: String(config) };
  if (map?.rate === undefined) return { payloadType, ...staticPayloadType(payloadType), ...fmtp };
  const channels = map.encoding === undefined ? {} : { channels: Number(map.encoding) };
  return { payloadType, codec: String(map.codec), clockRate: map.rate, ...channels, ...fmtp };
}
