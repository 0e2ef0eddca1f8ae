import type { WireTrack } from "../sdp/infer.ts";
import type { Sdp } from "../sdp/session.ts";
import type { TrackFacts } from "../sdp/track-facts.ts";
import type { FedTrack } from "./messages.ts";

/** What a browser can make of one track. */
export interface TrackOutlook {
  /** Counted from 1. */
  readonly track: number;
  /** `unknown` until enough has come. */
  readonly kind: "audio" | "video" | "unknown";
  /** As people name it; absent while unknown. */
  readonly codec?: string;
  /** `depends`: on the browser. */
  readonly plays: "yes" | "no" | "depends" | "not-yet";
  /** What is wrong, and what the sender can do about it; absent if it plays. */
  readonly message?: string;
}

/** Tracks that can be sent to browsers, and what to say of all. */
export interface Playable {
  readonly tracks: readonly FedTrack[];
  readonly outlook: readonly TrackOutlook[];
}

/** Codecs that WebRTC has RTP payload formats for in all browsers (RFC 7742 §5, RFC 7874 §3), and those of some. */
const carried = new Set(["H264", "VP8", "VP9", "AV1", "OPUS", "PCMU", "PCMA", "G722"]);
const carriedBySome = new Set(["H265"]);

const cures: Readonly<Record<"audio" | "video", string>> = {
  audio: "send Opus (ffmpeg: -c:a libopus)",
  video: "send H.264 without B-frames (ffmpeg: -c:v libx264 -bf 0), VP8, VP9 or AV1",
};

/**
 * Says what of a stream browsers can play, by its SDP or, while there is none, track by track by what the packets tell.
 * `bFrames` has the components whose pictures come in another order than they are shown.
 */
export function playable(
  sdp: Sdp | undefined,
  wire: readonly WireTrack[],
  bFrames: ReadonlySet<number> = new Set(),
): Playable {
  const found = sdp === undefined ? [...wire] : sdp.media.map((_, i) => describedTrack(sdp, i) ?? wire[i]);
  const outlook = found.map((track, i) => outlookOf(track, i, bFrames));
  const tracks = found.flatMap((track, i) => {
    const isSent = isDescribed(track) && outlook[i]?.plays !== "no";
    return isSent ? [{ ...track, component: 2 * i }] : [];
  });
  return { tracks, outlook };
}

function describedTrack(sdp: Sdp, index: number): TrackFacts | undefined {
  const media = sdp.media[index];
  const [format] = media?.formats ?? [];
  if (media === undefined || format?.codec === undefined || format.clockRate === undefined) return undefined;
  const { payloadType, codec, clockRate, channels, fmtp } = format;
  const kind = media.kind === "video" ? "video" : "audio";
  return {
    ...{ kind, payloadType, codec, clockRate },
    ...(channels !== undefined && { channels }),
    ...(fmtp !== undefined && { fmtp }),
  };
}

function isDescribed(track: WireTrack): track is TrackFacts {
  return track !== undefined && !("missing" in track) && !("bare" in track);
}

function outlookOf(track: WireTrack, index: number, bFrames: ReadonlySet<number>): TrackOutlook {
  const number = index + 1;
  if (track === undefined)
    return { track: number, kind: "unknown", plays: "not-yet", message: "Nothing of it has come." };
  if ("bare" in track) return { track: number, kind: "unknown", plays: "no", message: bareMessage(track.bare) };
  const name = nameOf(track.codec);
  const kind = "missing" in track ? kindOf(track.codec) : track.kind;
  const codec = name === undefined ? {} : { codec: name };
  if ("missing" in track && (name === undefined || isCarried(track.codec))) {
    if (track.missing === "evidence") {
      return {
        track: number,
        kind,
        ...codec,
        plays: "not-yet",
        message: "Too little of it has come to tell its codec.",
      };
    }
    const why =
      track.missing === "parameter-sets"
        ? `The video is ${name}, but its parameter sets are not on the wire: give the relay the sender's SDP (--sdp).`
        : "Its codec is not one that the relay recognises: give the relay the sender's SDP (--sdp).";
    return { track: number, kind, ...codec, plays: "no", message: why };
  }
  const what = kind === "audio" ? "sound" : "video";
  if (!isCarried(track.codec)) {
    const cure = /^MP2T$/i.test(track.codec ?? "") ? cures.video : cures[kind === "unknown" ? "video" : kind];
    const message = `The ${what} is ${name}, which WebRTC does not carry: ${cure}.`;
    return { track: number, kind, ...codec, plays: "no", message };
  }
  if (bFrames.has(2 * index)) {
    const message = `The video has B-frames, which browsers show in the wrong order or stand still at: send it without (ffmpeg: -bf 0).`;
    return { track: number, kind, ...codec, plays: "depends", message };
  }
  if (carriedBySome.has(upper(track.codec))) {
    const message = `The video is ${name}, which only some browsers play: else ${cures.video}.`;
    return { track: number, kind, ...codec, plays: "depends", message };
  }
  return { track: number, kind, ...codec, plays: "yes" };
}

function bareMessage(bare: "mpeg-ts" | "other"): string {
  return bare === "mpeg-ts"
    ? `It is MPEG-TS, which WebRTC does not carry: send RTP, one track to each port pair (ffmpeg: -f rtp), and ${cures.video}.`
    : "It is not RTP, so no browser can play it.";
}

const upper = (codec: string | undefined): string => (codec ?? "").toUpperCase();

function isCarried(codec: string | undefined): boolean {
  return carried.has(upper(codec)) || carriedBySome.has(upper(codec));
}

function kindOf(codec: string | undefined): "audio" | "video" | "unknown" {
  if (codec === undefined) return "unknown";
  return /^(H26|VP|AV1|MP2T|MPV|MP4V)/i.test(codec) ? "video" : "audio";
}

function nameOf(codec: string | undefined): string | undefined {
  if (codec === undefined) return undefined;
  if (/^(mpeg4-generic|mp4a-latm)$/i.test(codec)) return "AAC";
  if (/^MP2T$/i.test(codec)) return "MPEG-TS";
  if (/^opus$/i.test(codec)) return "Opus";
  return codec.toUpperCase().replace(/^H26/, "H.26");
}
