import { describe } from "./describe.ts";
import type { Sdp } from "./session.ts";
import type { TrackFacts } from "./track-facts.ts";

/** A track on the wire that cannot be described. */
export interface UndescribedTrack {
  /**
   * - `evidence`: more packets; nothing can be said yet.
   * - `codec`: the packets fit no codec that is known, or several.
   * - `config`: the codec's `config` parameter, which never is in the packets (AAC).
   * - `parameter-sets`: the `sprop-…` parameters of H.264 or H.265; a key frame came without the sets.
   */
  readonly missing: "evidence" | "codec" | "config" | "parameter-sets";
  /** 0-127. */
  readonly payloadType?: number;
  /** As in an rtpmap, as soon as it is sure. */
  readonly codec?: string;
}

/** A component whose datagrams are no RTP. */
export interface BareTrack {
  readonly bare: "mpeg-ts" | "other";
}

/** What is known of one track from its packets; `undefined`: none has come. */
export type WireTrack = TrackFacts | UndescribedTrack | BareTrack | undefined;

/** What there is to infer from. */
export interface WireStream {
  /** For the sentences, and the session's name. */
  readonly name: string;
  /** Track i is component 2i. */
  readonly tracks: readonly WireTrack[];
  /** How long the publisher has been sending, in ms. */
  readonly liveMs: number;
}

/** What the wire tells. */
export type Inference =
  | {
      readonly kind: "sdp";
      /** Fit for `rewriteForPlayer`. */
      readonly sdp: Sdp;
    }
  /** There is no RTP and so no SDP: a player opens this URL, for the port on which it listens. */
  | { readonly kind: "url"; readonly playerUrl: (port: number) => string }
  /** More packets may tell: ask again. */
  | { readonly kind: "pending"; readonly message: string }
  /** The wire will never tell: the message says what to supply, and where. */
  | { readonly kind: "missing"; readonly message: string };

/**
 * A track that has sent nothing for this long since the publisher began is taken for absent: 2 s. Not less, since senders
 * begin with one track before the other and a description without sound would be final for a player; not more, since
 * viewers of a stream with pictures only wait this long for it.
 */
const silentTrackMs = 2_000;

/** The session's address and ports are rewritten for each viewer: RTP's registered port stands there (RFC 3551 §8). */
const nominal = { address: "127.0.0.1", basePort: 5004 } as const;

/** Describes a stream from its packets alone, or says why that cannot be. */
export function infer({ name, tracks, liveMs }: WireStream): Inference {
  const heard = tracks.slice(0, tracks.findLastIndex((track) => track !== undefined) + 1);
  const [first] = heard;
  if (heard.length === 0) {
    return { kind: "pending", message: `Nobody sends to stream '${name}' yet, so its codecs are not known.` };
  }
  if (first !== undefined && "bare" in first) return inferBare(first, name);
  const complaints = heard.flatMap((track, i) => complaintOf(track, i + 1) ?? []);
  if (complaints.length > 0) return { kind: "missing", message: [...complaints, remedy(name)].join(" ") };

  const facts = heard.filter(isDescribed);
  const isTransportStream = facts.length === 1 && facts[0]?.codec === "MP2T";
  const lacking = heard.findIndex((track) => !isDescribed(track));
  if (lacking !== -1) return inferLacking(name, lacking + 1, heard[lacking] === undefined && liveMs >= silentTrackMs);
  // MPEG-TS carries picture and sound in one track, so there is no second one to wait for.
  if (heard.length < tracks.length && liveMs < silentTrackMs && !isTransportStream) {
    return inferLacking(name, heard.length + 1, false);
  }
  return { kind: "sdp", sdp: describe({ sessionName: name, ...nominal, media: facts }) };
}

/** What a player that listens on `port` can open instead of the SDP: MPEG-TS in RTP needs none. */
export function playerUrlOf(sdp: Sdp, port: number): string | undefined {
  const isTransportStream = sdp.media.length === 1 && sdp.media[0]?.formats[0]?.codec?.toUpperCase() === "MP2T";
  return isTransportStream ? `rtp://@:${port}` : undefined;
}

/** True if packets come whose payload type the description does not name: it is another stream's, and plays nothing. */
export function isContradicted(sdp: Sdp, tracks: readonly WireTrack[]): boolean {
  return sdp.media.some(({ formats }, i) => {
    const track = tracks[i];
    if (track === undefined || !("payloadType" in track) || formats.length === 0) return false;
    return track.payloadType !== undefined && !formats.some(({ payloadType }) => payloadType === track.payloadType);
  });
}

function inferBare({ bare }: BareTrack, name: string): Inference {
  if (bare === "mpeg-ts") return { kind: "url", playerUrl: (port) => `udp://@:${port}` };
  return {
    kind: "missing",
    message: `Stream '${name}' is neither RTP nor MPEG-TS, so no SDP describes it: the program that it is for takes it from the port as it is.`,
  };
}

function inferLacking(name: string, number: number, isSilent: boolean): Inference {
  return isSilent
    ? { kind: "missing", message: `Track ${number} is silent, so it cannot be described. ${remedy(name)}` }
    : { kind: "pending", message: `Too little of track ${number} of stream '${name}' has come to tell its codec.` };
}

function isDescribed(track: WireTrack): track is TrackFacts {
  return track !== undefined && !("missing" in track) && !("bare" in track);
}

function complaintOf(track: WireTrack, number: number): string | undefined {
  if (track === undefined) return undefined;
  if ("bare" in track) return `Track ${number} is not RTP.`;
  if (!("missing" in track)) return undefined;
  const codec = track.codec === undefined ? "in a codec" : nameOf(track.codec);
  const payloadType = track.payloadType === undefined ? "" : ` (payload type ${track.payloadType})`;
  switch (track.missing) {
    case "evidence":
      return undefined;
    case "codec":
      return `Track ${number}${payloadType} is in no codec that the relay recognises.`;
    case "config":
      return `Track ${number} is ${codec}: its configuration is not on the wire.`;
    case "parameter-sets":
      return (
        `Track ${number} is ${codec}: its parameter sets are not on the wire, unless the sender is told to repeat them ` +
        "(ffmpeg: -bsf:v h264_mp4toannexb or hevc_mp4toannexb; GStreamer: config-interval=-1)."
      );
  }
}

/** What to supply, once for all tracks. */
function remedy(stream: string): string {
  return (
    "Save the sender's SDP and start the relay with --sdp FILE, " +
    `or PUT it to /streams/${stream}.sdp on the relay's HTTP port with the publish key.`
  );
}

/** The name that people know. */
function nameOf(codec: string): string {
  return /^(mpeg4-generic|mp4a-latm)$/i.test(codec) ? "AAC" : codec.toUpperCase().replace(/^H26/, "H.26");
}
