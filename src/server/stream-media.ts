import type { Random } from "../core/random.ts";
import { createRecogniser, type Recogniser } from "../media/recognise.ts";
import { createRelayedTrack, type RelayedTrack, rtcpPacketsOf } from "../media/relayed-track.ts";
import { createKeyFrameCache } from "../media/stream-cache.ts";
import { decodeRtp } from "../rtp/header.ts";
import { type AccessUnitTracker, createAccessUnitTracker } from "../rtp/payload/access-unit-tracker.ts";
import { videoCodec } from "../rtp/payload/inspect.ts";
import type { Past } from "./replays.ts";

/** A payload type as the stream's SDP has it. */
export interface DescribedCodec {
  /** The rtpmap's name. */
  readonly codec: string;
  /** In Hz. */
  readonly clockRate: number;
}

/** How the relay serves one stream beyond moving its packets. */
export interface StreamMediaOptions {
  readonly random: Random;
  /** The relay's name in RTCP. */
  readonly cname: string;
  /** Whether newcomers are shown what has been since the last key frame. */
  readonly cache: boolean;
  /** `undefined` if no SDP tells; then the packets themselves have to. */
  readonly described: (component: number, payloadType: number) => DescribedCodec | undefined;
}

/** RTCP for the publisher of a track. */
export interface PublisherRtcp {
  /** Of the track's RTP. */
  readonly component: number;
  readonly bytes: Uint8Array;
}

/** What is known and kept of one stream's media. Components are numbers here; times are ms of a monotonic clock. */
export interface StreamMedia {
  /** Takes a packet of the publisher's, in the order of arrival. */
  onPacket(component: number, bytes: Uint8Array, atMs: number): void;
  /** Takes the publisher's RTCP and returns what viewers get in its place. */
  onReport(component: number, bytes: Uint8Array, atMs: number): Uint8Array;
  /** Takes a viewer's RTCP; what it wants again goes to `resend`, as views that hold during the call. */
  onFeedback(
    hole: { readonly id: string; readonly component: number },
    bytes: Uint8Array,
    now: number,
    resend: (bytes: Uint8Array) => void,
  ): void;
  /** A hole closed. */
  forget(hole: string): void;
  /** What a newcomer of this component is shown first. */
  pastOf(component: number, now: number): Past | undefined;
  /** RTCP for the publisher that is due. */
  poll(now: number): PublisherRtcp[];
  /** What each component carries, by its packets. */
  recognised(component: number): Recogniser | undefined;
  track(component: number): RelayedTrack | undefined;
}

/** What nothing has come of for so long is over: its last picture would be shown as if it were now. */
const staleMs = 2_000;

/** One RTP component. */
interface Lane {
  readonly track: RelayedTrack;
  recogniser: Recogniser;
  /** Follows the key frames of a source whose codec is known. */
  units: { readonly ssrc: number; readonly codec: string; readonly tracker: AccessUnitTracker } | undefined;
}

/** A stream of which nothing has come yet. */
export function createStreamMedia(options: StreamMediaOptions): StreamMedia {
  const { random, cname, described } = options;
  const cache = options.cache ? createKeyFrameCache() : undefined;
  const lanes = new Map<number, Lane>();
  let lastAt = Number.NEGATIVE_INFINITY;

  function laneOf(component: number): Lane {
    const known = lanes.get(component);
    if (known !== undefined) return known;
    const lane: Lane = {
      track: createRelayedTrack({ cname, random, clockRateOf: (type) => codecOf(component, type)?.clockRate }),
      recogniser: createRecogniser(),
      units: undefined,
    };
    lanes.set(component, lane);
    return lane;
  }

  function codecOf(component: number, payloadType: number): DescribedCodec | undefined {
    const known = described(component, payloadType);
    if (known !== undefined) return known;
    const seen = lanes
      .get(component)
      ?.recogniser.tracks()
      .find((each) => each.payloadType === payloadType);
    const { codec, clockRate } = seen ?? {};
    return codec === undefined || clockRate === undefined ? undefined : { codec, clockRate };
  }

  /** Whether the packet belongs to a picture that a decoder can begin with. */
  function isKeyStart(component: number, lane: Lane, bytes: Uint8Array): boolean {
    const packet = decodeRtp(bytes);
    if (!packet.ok) return false;
    const { ssrc, payloadType } = packet.value;
    if (lane.units?.ssrc !== ssrc) {
      const codec = videoCodec(codecOf(component, payloadType)?.codec ?? "");
      if (codec === undefined) return false;
      lane.units = { ssrc, codec, tracker: createAccessUnitTracker(codec) };
    }
    return lane.units.tracker.onPacket(packet.value).keyFrame;
  }

  return {
    onPacket(component, bytes, atMs) {
      lastAt = atMs;
      const lane = laneOf(component);
      if (!lane.recogniser.isSettled()) lane.recogniser.onDatagram(bytes, atMs);
      lane.track.onMedia(bytes, atMs);
      const keyFrame = isKeyStart(component, lane, bytes);
      if (keyFrame) lane.track.onKeyFrame();
      cache?.add(component, bytes, atMs, { isKeyStart: keyFrame });
    },

    onReport(component, bytes, atMs) {
      const packets = rtcpPacketsOf(bytes);
      laneOf(component & ~1).track.onPublisherRtcp(packets, packets, atMs);
      cache?.add(component, bytes, atMs, { isKeyStart: false });
      return bytes;
    },

    onFeedback({ id, component }, bytes, now, resend) {
      lanes.get(component & ~1)?.track.onViewerRtcp(id, rtcpPacketsOf(bytes), now, resend);
    },

    forget(hole) {
      for (const { track } of lanes.values()) track.forget(hole);
    },

    pastOf(component, now) {
      if (cache === undefined || now - lastAt > staleMs) return undefined;
      return { start: () => cache.start(component), read: (cursor) => cache.read(component, cursor) };
    },

    poll: (now) =>
      [...lanes].flatMap(([component, { track }]) =>
        now < track.wakeAt() ? [] : track.poll(now).map((bytes) => ({ component, bytes })),
      ),

    recognised: (component) => lanes.get(component)?.recogniser,
    track: (component) => lanes.get(component)?.track,
  };
}
