import type { Sdp, SdpFormat, SdpMedia } from "../sdp/session.ts";

/** How one m= line of an offer is answered. */
export interface AnsweredMedia {
  readonly mid: string;
  readonly kind: "audio" | "video";
  /** Nothing is carried: the line is answered as inactive. */
  readonly isIdle: boolean;
  /** Of the RTP in the stream; -1 if idle. */
  readonly component: number;
  /** As the offer numbers and names it. */
  readonly format: SdpFormat;
}

/** What a stream has for an m= line. */
export interface OfferableTrack {
  readonly kind: "audio" | "video";
  readonly component: number;
  readonly codec: string;
  readonly fmtp?: string;
}

/** Why an offer cannot be answered. */
export type OfferRefusal = "no-media" | "no-common-codec" | "no-mid" | "too-many-lines";

/** Lines of an offer: a picture and a sound, and some that a browser has left over from what it did before. */
const linesMax = 16;

/** Codecs that a browser may publish, since the relay's viewers can be told of them. */
const publishable = ["H264", "VP8", "VP9", "AV1", "H265", "OPUS"];

/** Answers a browser that wants to watch: each track goes to the first line of its kind that takes its codec. */
export function answerViewer(offer: Sdp, tracks: readonly OfferableTrack[]): readonly AnsweredMedia[] | OfferRefusal {
  const left = [...tracks];
  return answerLines(offer, (media) => {
    for (const [i, track] of left.entries()) {
      const format = track.kind === media.kind ? bestFormat(media, track) : undefined;
      if (format === undefined) continue;
      left.splice(i, 1);
      return { format, component: track.component };
    }
    return undefined;
  });
}

/**
 * Answers a browser that wants to publish: each line that has a codec which is carried becomes a track of the stream, as far
 * as there is room; video first, since component 0 is what a viewer with one hole gets.
 */
export function answerPublisher(offer: Sdp, components: number): readonly AnsweredMedia[] | OfferRefusal {
  const order = ["video", "audio"].flatMap((kind) =>
    offer.media.filter((media) => media.kind === kind && media.formats.some(isPublishable)),
  );
  return answerLines(offer, (media) => {
    const component = 2 * order.indexOf(media);
    const format = media.formats.find(isPublishable);
    return format === undefined || component + 1 >= components ? undefined : { format, component };
  });
}

function isPublishable({ codec = "", fmtp = "" }: SdpFormat): boolean {
  if (!publishable.includes(codec.toUpperCase())) return false;
  return !isCodec(codec, "H264") || /packetization-mode=1/.test(fmtp);
}

function answerLines(
  offer: Sdp,
  choose: (media: SdpMedia) => { readonly format: SdpFormat; readonly component: number } | undefined,
): readonly AnsweredMedia[] | OfferRefusal {
  if (offer.media.length > linesMax) return "too-many-lines";
  const answered: AnsweredMedia[] = [];
  for (const [i, media] of offer.media.entries()) {
    if (media.kind !== "audio" && media.kind !== "video") continue;
    const mid = offer.tree.media[i]?.mid;
    const [first] = media.formats;
    if (mid === undefined || first === undefined) return "no-mid";
    const chosen = choose(media);
    const { format, component } = chosen ?? { format: first, component: -1 };
    answered.push({ mid: String(mid), kind: media.kind, isIdle: chosen === undefined, component, format });
  }
  if (answered.length === 0) return "no-media";
  return answered.every(({ isIdle }) => isIdle) ? "no-common-codec" : answered;
}

/** The line's format for a track: of the same profile if there is one, since decoders take more than they promise. */
function bestFormat(media: SdpMedia, track: OfferableTrack): SdpFormat | undefined {
  const same = media.formats.filter(({ codec = "", fmtp = "" }) => {
    if (!isCodec(codec, track.codec)) return false;
    // Fragments need mode 1 (RFC 6184 §6.3), and whole pictures do not fit into packets.
    return !isCodec(codec, "H264") || /packetization-mode=1/.test(fmtp);
  });
  const profile = profileOf(track);
  return same.find((format) => profileOf(format) === profile) ?? same[0];
}

/** H.264's profile_idc, VP9's and AV1's profile number. */
function profileOf({ codec = "", fmtp = "" }: { readonly codec?: string; readonly fmtp?: string }): string {
  if (isCodec(codec, "H264")) return (/profile-level-id=([0-9a-f]{2})/i.exec(fmtp)?.[1] ?? "42").toLowerCase();
  return /(?:^|[; ])profile(?:-id)?=(\d+)/.exec(fmtp)?.[1] ?? "0";
}

function isCodec(one: string, other: string): boolean {
  return one.toUpperCase() === other.toUpperCase();
}
