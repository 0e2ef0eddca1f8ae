import type { Random } from "../core/random.ts";
import {
  createIngestStatistics,
  type IngestSnapshot,
  type IngestStatistics,
  type RestartKind,
} from "../media/ingest-statistics.ts";
import { createRecogniser, type Recogniser } from "../media/recognise.ts";
import { createRelayedTrack, type RelayedTrack, relayHistoryMs, rtcpPacketsOf } from "../media/relayed-track.ts";
import { createSenderReportRepair } from "../media/sender-report-repair.ts";
import { createKeyFrameCache } from "../media/stream-cache.ts";
import { readRtp } from "../rtp/demux.ts";
import { createAccessUnitTracker } from "../rtp/payload/access-unit-tracker.ts";
import { type VideoCodec, videoCodec } from "../rtp/payload/inspect.ts";
import type { WireStream, WireTrack } from "../sdp/infer.ts";
import type { TrackFacts } from "../sdp/track-facts.ts";
import type { Past } from "./replays.ts";

/** A payload type as the stream's SDP has it. */
export type DescribedCodec = Pick<TrackFacts, "kind" | "codec" | "clockRate">;

/** How the relay serves one stream beyond moving its packets. */
export interface StreamMediaOptions {
  readonly random: Random;
  /** The relay's name in RTCP. */
  readonly cname: string;
  /** Whether newcomers are shown what has been since the last key frame. */
  readonly cache: boolean;
  /** `undefined` if no SDP tells; then the packets themselves have to. */
  readonly described: (component: number, payloadType: number) => DescribedCodec | undefined;
  /** Takes RTCP for the viewers that takes the place of a report which was kept back. */
  readonly report: (component: number, bytes: Uint8Array) => void;
  readonly onRestart: (component: number, kind: RestartKind) => void;
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
  /** The publisher's address changed. */
  onMoved(component: number): void;
  /** A hole closed. */
  forget(hole: string): void;
  /** A newcomer joins this component live. */
  welcome(component: number): void;
  /** What a newcomer of this component is shown first. */
  pastOf(component: number, now: number): Past | undefined;
  /** RTCP for the publisher that is due. */
  poll(now: number): readonly PublisherRtcp[];
  /** What the packets show the stream to be; `undefined` while nothing comes. */
  wire(now: number): Omit<WireStream, "name"> | undefined;
  /** How a component fares on the publisher's leg; `undefined` before its first packet. */
  ingest(component: number, now: number): IngestSnapshot | undefined;
  /** Each track with the component of its RTP. */
  tracks(): readonly (readonly [number, RelayedTrack])[];
}

/** What nothing has come of for so long is over: its last picture would be shown as if it were now. */
const staleMs = 2_000;

/** How long a payload type's codec is believed: an SDP may come, or the packets tell, at any time. */
const codecMs = 250;

/**
 * Packets between two looks at whether a recogniser has found out all there is. Each look costs more than the packet; what is
 * fed to it in between costs little.
 */
const settlePackets = 16;

/** One RTP component. */
interface Lane {
  readonly track: RelayedTrack;
  readonly ingest: IngestStatistics;
  recogniser: Recogniser;
  /** The recogniser has found out all there is, and sees no more packets. */
  isSettled: boolean;
  /** Packets until that is asked. */
  untilLook: number;
  hasKeyFrame: boolean;
  /** By payload type, with when it was found. */
  readonly codecs: Map<number, { readonly atMs: number; readonly value: DescribedCodec | undefined }>;
}

/** A stream of which nothing has come yet. */
export function createStreamMedia(options: StreamMediaOptions): StreamMedia {
  const { random, cname, described } = options;
  const cache = options.cache ? createKeyFrameCache({ keptMs: relayHistoryMs }) : undefined;
  const lanes = new Map<number, Lane>();
  const reports = createSenderReportRepair({ factsOf: (track, payloadType) => codecOf(2 * track, payloadType) });
  let beganAt = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  /** Set while a packet is looked at that begins a key frame. */
  let isKeyFrame = false;

  function laneOf(component: number): Lane {
    const known = lanes.get(component);
    if (known !== undefined) return known;
    const clockRateOf = (payloadType: number): number | undefined => codecOf(component, payloadType)?.clockRate;
    const ingest = createIngestStatistics({
      clockRateOf,
      codecOf: (payloadType) => codecOf(component, payloadType)?.codec,
      onVideoCodec: (codec) => revise(component, codec),
      onKeyFrame() {
        isKeyFrame = true;
      },
    });
    const packetOf = cache && ((id: number) => cache.get(component, id));
    const track = createRelayedTrack({ cname, random, clockRateOf, ingest, packetOf });
    const lane: Lane = {
      ...{ track, ingest, recogniser: createRecogniser(), isSettled: false, untilLook: settlePackets },
      ...{ hasKeyFrame: false, codecs: new Map() },
    };
    lanes.set(component, lane);
    return lane;
  }

  /** Finds the key frames among the packets that came before the codec was known. */
  function revise(component: number, codec: VideoCodec): void {
    const tracker = createAccessUnitTracker(codec);
    cache?.revise(component, (bytes, atMs) => {
      const packet = readRtp(bytes);
      if (packet === undefined || !tracker.onPacket(packet).keyFrame) return false;
      reports.onKeyFrame(component >> 1, packet, atMs);
      laneOf(component).hasKeyFrame = true;
      return true;
    });
  }

  /** Asked for every packet, so what was found is believed for a while. */
  function codecOf(component: number, payloadType: number): DescribedCodec | undefined {
    const lane = laneOf(component);
    const known = lane.codecs.get(payloadType);
    if (known !== undefined && lastAt - known.atMs < codecMs) return known.value;
    const value = described(component, payloadType) ?? recognised(lane, payloadType);
    lane.codecs.set(payloadType, { atMs: lastAt, value });
    return value;
  }

  function recognised({ recogniser }: Lane, payloadType: number): DescribedCodec | undefined {
    const seen = recogniser.tracks().find((each) => each.payloadType === payloadType);
    if (seen?.facts !== undefined) return seen.facts;
    const { codec, clockRate } = seen ?? {};
    if (codec === undefined || clockRate === undefined) return undefined;
    return { codec, clockRate, kind: clockRate === videoClockRate ? "video" : "audio" };
  }

  function recognise(lane: Lane, bytes: Uint8Array, atMs: number): void {
    if (lane.isSettled) return;
    lane.recogniser.onDatagram(bytes, atMs);
    lane.untilLook -= 1;
    if (lane.untilLook > 0) return;
    lane.untilLook = settlePackets;
    lane.isSettled = lane.recogniser.isSettled();
  }

  /** Video of which no key frame has come looks like sound to the cache, and would be shown from its middle on. */
  function lacksKeyFrame(component: number): boolean {
    const lane = lanes.get(component);
    const known = lane?.codecs.get(lane.ingest.payloadType)?.value;
    return known?.kind === "video" && !lane?.hasKeyFrame && videoCodec(known.codec) !== undefined;
  }

  function noteArrival(atMs: number): void {
    if (atMs - lastAt > staleMs) beganAt = atMs;
    lastAt = Math.max(lastAt, atMs);
  }

  function wireTrack(component: number): WireTrack {
    const recogniser = lanes.get(component)?.recogniser;
    const kind = recogniser?.kind();
    if (kind === "mpeg-ts" || kind === "other") return { bare: kind };
    const [busiest] = recogniser?.tracks() ?? [];
    if (busiest === undefined) return undefined;
    const { facts, missing, payloadType, codec } = busiest;
    return facts ?? { missing: missing ?? "evidence", payloadType, ...(codec !== undefined && { codec }) };
  }

  return {
    onPacket(component, bytes, atMs) {
      noteArrival(atMs);
      const lane = laneOf(component);
      isKeyFrame = false;
      const packet = readRtp(bytes);
      recognise(lane, bytes, atMs);
      const restart = lane.ingest.onPacket(packet, bytes.length, atMs);
      if (restart !== undefined) {
        lane.recogniser = createRecogniser();
        lane.isSettled = false;
        recognise(lane, bytes, atMs);
        reports.onRestart(component >> 1);
        options.onRestart(component, restart);
      }
      if (packet !== undefined) {
        if (isKeyFrame) {
          lane.hasKeyFrame = true;
          lane.track.onKeyFrame();
        }
        const report = reports.onRtp(component >> 1, packet, atMs, isKeyFrame);
        if (report !== undefined) {
          cache?.add(component + 1, report, atMs, { isKeyStart: false });
          options.report(component + 1, report);
        }
      }
      const id = cache?.add(component, bytes, atMs, { isKeyStart: isKeyFrame });
      if (packet !== undefined) lane.track.onMedia(packet, bytes, atMs, id);
    },

    onReport(component, bytes, atMs) {
      noteArrival(atMs);
      const passedOn = reports.onRtcp(component >> 1, bytes, atMs);
      laneOf(component & ~1).track.onPublisherRtcp(rtcpPacketsOf(bytes), rtcpPacketsOf(passedOn), atMs);
      cache?.add(component, passedOn, atMs, { isKeyStart: false });
      return passedOn;
    },

    onFeedback({ id, component }, bytes, now, resend) {
      lanes.get(component & ~1)?.track.onViewerRtcp(id, rtcpPacketsOf(bytes), now, resend);
    },

    onMoved: (component) => lanes.get(component)?.ingest.onNewPort(),

    forget(hole) {
      for (const { track } of lanes.values()) track.forget(hole);
    },

    welcome: (component) => lanes.get(component)?.track.wantKeyFrame(),

    pastOf(component, now) {
      if (cache === undefined || now - lastAt > staleMs) return undefined;
      const lane = lanes.get(component & ~1);
      const known = lane?.codecs.get(lane.ingest.payloadType)?.value;
      // What has no key frames that are known here can be joined at any time, as far as anybody can tell.
      if (known === undefined || (known.kind === "video" && videoCodec(known.codec) === undefined)) return undefined;
      if (lacksKeyFrame(component)) return undefined;
      return { start: () => cache.start(component), read: (cursor) => cache.read(component, cursor) };
    },

    poll(now) {
      let due = nothing;
      for (const [component, { track }] of lanes) {
        if (now < track.wakeAt()) continue;
        due = [...due, ...track.poll(now).map((bytes) => ({ component, bytes }))];
      }
      return due;
    },

    wire(now) {
      if (now - lastAt > staleMs) return undefined;
      const last = Math.max(-2, ...lanes.keys());
      const tracks = Array.from({ length: last / 2 + 1 }, (_, i) => wireTrack(2 * i));
      return { tracks, liveMs: now - beganAt };
    },

    ingest: (component, now) => lanes.get(component)?.ingest.snapshot(now),
    tracks: () => [...lanes].map(([component, { track }]) => [component, track] as const),
  };
}

/** Made once: `poll` is asked for every packet. */
const nothing: readonly PublisherRtcp[] = [];

/** Of all video (RFC 3551 §5), and of no sound. */
const videoClockRate = 90_000;
