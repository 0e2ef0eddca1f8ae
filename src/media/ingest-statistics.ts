import type { RtpPacket } from "../rtp/header.ts";
import { type AccessUnitTracker, createAccessUnitTracker } from "../rtp/payload/access-unit-tracker.ts";
import { type VideoCodec, videoCodec } from "../rtp/payload/inspect.ts";
import { createReceiveStatistics, type ReceiveStatistics, type SourceChange } from "../rtp/receive-statistics.ts";

/**
 * How a publisher began anew: with the SSRC that it had (its sequence set back, as MP4Box does), with another one, or from
 * another address or port.
 */
export type RestartKind = SourceChange | "new-port";

/** One component of a publisher's leg, now. */
export interface IngestSnapshot {
  /** Datagrams and the bytes of their UDP payloads since the start. */
  readonly packets: number;
  readonly bytes: number;
  /** Bits a second of UDP payload over the last second. */
  readonly bitrate: number;
  /** RTP packets missing now, come twice, and come after a later one (RFC 3550 A.3); since the start. */
  readonly lost: number;
  readonly duplicates: number;
  readonly reordered: number;
  /** Interarrival jitter (RFC 3550 A.8); 0 while the clock rate is unknown. */
  readonly jitterMs: number;
  /** Distinct timestamps a second, of the last whole second or so: pictures of video, packets of most audio. */
  readonly frameRate: number;
  /** Between the last two key frames; absent before the second, and for what is no video or of unknown codec. */
  readonly keyFrameIntervalMs?: number;
  /** When the last key frame came, in ms of the clock that arrivals are given in. */
  readonly lastKeyFrameAtMs?: number;
  /** Of the source that is heard now, not of repair or comfort noise beside it; absent before the first packet. */
  readonly ssrc?: number;
  readonly payloadType?: number;
  /** As in an rtpmap, if `codecOf` knows it. */
  readonly codec?: string;
  /** Since the start, by kind. */
  readonly restarts: Readonly<Record<RestartKind, number>>;
}

/** Counts what a publisher sends on one component. */
export interface IngestStatistics {
  /**
   * Takes one datagram of `length` bytes, as the RTP packet that it is, or as `undefined` if it is none; `arrivalMs` is of a
   * monotonic clock. Returns how the publisher began anew, if it did: sure with the second packet, or with the first after
   * half a second of silence.
   */
  onPacket(packet: RtpPacket | undefined, length: number, arrivalMs: number): RestartKind | undefined;
  /** The publisher's address changed: only the one who receives knows. */
  onNewPort(): void;
  /** The SSRC and payload type that are heard now, not of repair or comfort noise beside them; -1 before the first packet. */
  readonly ssrc: number;
  readonly payloadType: number;
  /** What arrives, source by source. */
  readonly received: Pick<ReceiveStatistics, "reception" | "rate">;
  /** What is known at `nowMs`; rates fall to 0 when nothing comes. */
  snapshot(nowMs: number): IngestSnapshot;
}

/** What is known from elsewhere. */
export interface IngestOptions {
  /** Clock rate in Hz of a payload type. Default: RFC 3551's static types, others by estimate. */
  readonly clockRateOf?: (payloadType: number) => number | undefined;
  /** Name in the rtpmap of a payload type; asked again every 64 packets, every 8 until it is known. Default: none. */
  readonly codecOf?: (payloadType: number) => string | undefined;
  /** Told during `onPacket` that key frames are looked for from this packet on, since the codec has become known. */
  readonly onVideoCodec?: (codec: VideoCodec) => void;
  /** Told during `onPacket` that the packet begins a key frame, or shows its frame to be one. */
  readonly onKeyFrame?: () => void;
}

/** Shorter makes a rate of few frames jump, longer shows a change too late. */
const rateWindowMs = 1000;

/**
 * A source that is silent for so long gives way to another on the same port. Shorter than a player's patience, longer than
 * repair or comfort noise that comes between its packets.
 */
const otherSourceMs = 500;

/** Once a codec is known it hardly changes; asking that seldom costs nothing. */
const refreshPackets = 64;

/** Until then: less would cost more than the packets' counting where no codec is ever found, more would find it a picture late. */
const unknownPackets = 8;

/** Makes the statistics of one component. */
export function createIngestStatistics(options: IngestOptions = {}): IngestStatistics {
  const { clockRateOf, codecOf } = options;
  const received = createReceiveStatistics(clockRateOf === undefined ? {} : { clockRateOf });
  const restarts: Record<RestartKind, number> = { "same-ssrc": 0, "new-ssrc": 0, "new-port": 0 };
  let ssrc = -1;
  let payloadType = -1;
  let heardAtMs = Number.NEGATIVE_INFINITY;
  let codec: string | undefined;
  let untilRefresh = 0;
  let tracker: AccessUnitTracker | undefined;
  let trackedCodec: VideoCodec | undefined;
  let keyFrameAtMs: number | undefined;
  let keyFrameIntervalMs: number | undefined;
  let timestamp = -1;
  let highest = -1;
  let frames = 0;
  let countedFrames = 0;
  let countedAtMs = 0;
  let frameAtMs = 0;
  let frameRate = 0;

  /** Whose packets these are: told apart by SSRC, or by payload type if a source has several. */
  function isFollowed(packet: RtpPacket, change: SourceChange | undefined, arrivalMs: number): boolean {
    if (packet.ssrc === ssrc && packet.payloadType === payloadType) return true;
    const isReplaced = change === "new-ssrc" && packet.payloadType === payloadType;
    return isReplaced || arrivalMs - heardAtMs >= otherSourceMs;
  }

  function restartOf(packet: RtpPacket, change: SourceChange | undefined): SourceChange | undefined {
    if (payloadType === -1) return undefined;
    if (packet.ssrc !== ssrc) return "new-ssrc";
    return change === "same-ssrc" ? change : undefined;
  }

  function follow(packet: RtpPacket, arrivalMs: number): void {
    ssrc = packet.ssrc;
    if (packet.payloadType !== payloadType) refresh(packet.payloadType);
    heardAtMs = arrivalMs;
    untilRefresh -= 1;
    if (untilRefresh <= 0) refresh(packet.payloadType);
    if (highest === -1 || ((packet.sequenceNumber - highest) << 16) >> 16 > 0) {
      if (packet.timestamp !== timestamp || highest === -1) countFrame(arrivalMs);
      highest = packet.sequenceNumber;
      timestamp = packet.timestamp;
    }
    if (tracker?.onPacket(packet).keyFrame) {
      if (keyFrameAtMs !== undefined) keyFrameIntervalMs = arrivalMs - keyFrameAtMs;
      keyFrameAtMs = arrivalMs;
      options.onKeyFrame?.();
    }
  }

  function refresh(type: number): void {
    payloadType = type;
    codec = codecOf?.(type);
    untilRefresh = codec === undefined ? unknownPackets : refreshPackets;
    const known = codec === undefined ? undefined : videoCodec(codec);
    if (known === trackedCodec) return;
    trackedCodec = known;
    tracker = known === undefined ? undefined : createAccessUnitTracker(known);
    if (known !== undefined) options.onVideoCodec?.(known);
  }

  function countFrame(arrivalMs: number): void {
    frames += 1;
    const passed = arrivalMs - countedAtMs;
    if (frames === 1 || passed > 3 * rateWindowMs) {
      // The first frame, or the first after a pause: a rate needs two ends.
      countedFrames = frames;
      countedAtMs = arrivalMs;
    } else if (passed >= rateWindowMs) {
      frameRate = ((frames - countedFrames) * 1000) / passed;
      countedFrames = frames;
      countedAtMs = arrivalMs;
    }
    frameAtMs = arrivalMs;
  }

  function onRestart(restart: SourceChange): void {
    restarts[restart] += 1;
    highest = -1;
    keyFrameAtMs = undefined;
    // What is behind the last packet now is the new start, not late.
    tracker = trackedCodec && createAccessUnitTracker(trackedCodec);
  }

  return {
    received,
    get ssrc() {
      return ssrc;
    },
    get payloadType() {
      return payloadType;
    },
    onPacket(packet, length, arrivalMs) {
      const change = received.onPacket(packet, length, arrivalMs);
      if (packet === undefined || !isFollowed(packet, change, arrivalMs)) return undefined;
      const restart = restartOf(packet, change);
      if (restart !== undefined) onRestart(restart);
      follow(packet, arrivalMs);
      return restart;
    },
    onNewPort() {
      restarts["new-port"] += 1;
    },
    snapshot(nowMs) {
      const { packets, bytes, lost, duplicates, reordered, jitterMs } = received.snapshot();
      return {
        ...{ packets, bytes, lost, duplicates, reordered, jitterMs },
        bitrate: 8 * received.rate.bytesPerSecond(nowMs),
        frameRate: nowMs - frameAtMs > 3 * rateWindowMs ? 0 : frameRate,
        ...(keyFrameIntervalMs === undefined ? {} : { keyFrameIntervalMs }),
        ...(keyFrameAtMs === undefined ? {} : { lastKeyFrameAtMs: keyFrameAtMs }),
        ...(payloadType === -1 ? {} : { ssrc, payloadType }),
        ...(codec === undefined ? {} : { codec }),
        restarts: { ...restarts },
      };
    },
  };
}
