import { type ClockRateEstimator, createClockRateEstimator } from "../rtp/clock-rate.ts";
import type { RtpPacket } from "../rtp/header.ts";
import { ntpFromWallMs } from "../rtp/ntp.ts";
import { decodeRawPacket, encodeRawPacket, type RawRtcpPacket, rtcpPacketTypes } from "../rtp/rtcp/packet.ts";
import { decodeSenderReport } from "../rtp/rtcp/sender-report.ts";
import { staticPayloadType } from "../rtp/static-payload-types.ts";
import { writeUint32 } from "../rtp/wire.ts";
import type { TrackFacts } from "../sdp/track-facts.ts";
import {
  type CommonClock,
  createReportSource,
  type ReportFate,
  type ReportSource,
  type WallClockEvidence,
} from "./report-source.ts";

/**
 * Repairs sender reports whose wall clock stands still or runs at the wrong rate, as MP4Box's do: players take the tracks'
 * relation from them and lose it. One for all tracks of a stream.
 */
export interface SenderReportRepair {
  /**
   * Takes one RTP packet of a track; `isKeyFrame` says that a key frame begins with it (video whose codec is known; without
   * it B-frames may put pictures off by some of their durations). Returns RTCP for the track's viewers, to be sent before
   * the packet, when a report that was kept back can be told now: with this packet's timestamp and its time.
   */
  onRtp(track: number, packet: RtpPacket, arrivalMs: number, isKeyFrame: boolean): Uint8Array | undefined;
  /** A packet from before turns out to begin a key frame: the codec has become known only now. */
  onKeyFrame(track: number, packet: RtpPacket, arrivalMs: number): void;
  /**
   * Takes one RTCP datagram of a track and returns what viewers shall get: the same bytes, or a copy in which a report's
   * NTP timestamp is another. A report that nothing can be made of yet becomes a receiver report with the same blocks, so
   * that the compound still begins with a report, and `onRtp` tells it later. The datagram may be kept. Sane reports and all other packets stay byte for byte.
   */
  onRtcp(track: number, datagram: Uint8Array, arrivalMs: number): Uint8Array;
  /**
   * The publisher began a track anew, as its packets have shown just now: what was learned of it before them no longer holds.
   */
  onRestart(track: number): void;
  /** Whether any report of the track was found wrong since it began. */
  isRepairing(track: number): boolean;
}

/** What is known from elsewhere. */
export interface SenderReportRepairOptions {
  /** A track's kind and clock rate. Default: RFC 3551's static types, others by estimate, 90 kHz for video. */
  readonly factsOf?: (track: number, payloadType: number) => Pick<TrackFacts, "kind" | "clockRate"> | undefined;
}

/** Sources followed per track: one, and perhaps its repair stream. A flood of invented SSRCs costs no more. */
const maxSources = 4;

/** A restart is proven by two packets in a row; a source of so few has begun with it, with the report that came before. */
const newPackets = 8;

interface FollowedSource {
  readonly source: ReportSource;
  readonly estimator: ClockRateEstimator;
  payloadType: number;
  /** As its last report has it. */
  packetCount: number;
  /** Packets that came. */
  heard: number;
  /** The datagram of a report that was kept back, and where in it the report stands. */
  withheld: { readonly datagram: Uint8Array; readonly at: number } | undefined;
}

/** Makes the repair of one stream. */
export function createSenderReportRepair(options: SenderReportRepairOptions = {}): SenderReportRepair {
  const tracks = new Map<number, Map<number, FollowedSource>>();
  let wall: WallClockEvidence | undefined;

  function allSources(): ReportSource[] {
    return [...tracks.values()].flatMap((sources) => [...sources.values()].map(({ source }) => source));
  }

  const common: CommonClock = {
    offsetMs() {
      if (wall?.isProven) return wall.offsetMs;
      const found = allSources().flatMap((source) => source.evidence() ?? []);
      // A clock that has proven to run is the measure as soon as there is one; until then the report that came first.
      const proven = found.filter(({ isProven }) => isProven).sort((a, b) => b.atMs - a.atMs);
      wall = proven[0] ?? wall ?? found.sort((a, b) => a.atMs - b.atMs)[0];
      return wall?.offsetMs ?? 0;
    },
  };

  function follow(track: number, ssrc: number): FollowedSource {
    let sources = tracks.get(track);
    if (sources === undefined) {
      sources = new Map();
      tracks.set(track, sources);
    }
    return sources.get(ssrc) ?? begin(track, sources, ssrc);
  }

  function begin(track: number, sources: Map<number, FollowedSource>, ssrc: number): FollowedSource {
    const estimator = createClockRateEstimator();
    const clock = (): { rate: number; kind: "audio" | "video" } | undefined => {
      if (followed.payloadType === -1) return undefined;
      const facts = options.factsOf?.(track, followed.payloadType);
      const rate = facts?.clockRate ?? staticPayloadType(followed.payloadType)?.clockRate ?? estimator.rate();
      return rate === undefined ? undefined : { rate, kind: facts?.kind ?? (rate === 90_000 ? "video" : "audio") };
    };
    const source = createReportSource(clock);
    const followed: FollowedSource = {
      source,
      estimator,
      payloadType: -1,
      packetCount: 0,
      heard: 0,
      withheld: undefined,
    };
    sources.delete(ssrc);
    sources.set(ssrc, followed);
    const [oldest] = sources.keys();
    if (sources.size > maxSources && oldest !== undefined) sources.delete(oldest);
    forgetUnusedClock();
    return followed;
  }

  function forgetUnusedClock(): void {
    if (!allSources().some((source) => source.isRepaired())) wall = undefined;
  }

  function judge(track: number, datagram: Uint8Array, at: number, raw: RawRtcpPacket, arrivalMs: number): ReportFate {
    const report = decodeSenderReport(raw);
    if (!report.ok) return "pass";
    const { ssrc, packetCount } = report.value;
    let followed = follow(track, ssrc);
    const sources = tracks.get(track);
    // A sender that began anew with its SSRC counts from the start again, and this is its first word.
    const isAnew = packetCount < followed.packetCount || (packetCount === 0 && followed.heard > 0);
    if (isAnew && sources !== undefined) followed = begin(track, sources, ssrc);
    followed.packetCount = packetCount;
    const fate = followed.source.onReport(report.value, arrivalMs, common);
    followed.withheld = fate === "withhold" ? { datagram, at } : undefined;
    return fate;
  }

  return {
    onRtp(track, packet, arrivalMs, isKeyFrame) {
      const followed = follow(track, packet.ssrc);
      followed.payloadType = packet.payloadType;
      followed.heard += 1;
      followed.estimator.onPacket(packet.timestamp, arrivalMs);
      followed.source.onRtp(packet, arrivalMs, isKeyFrame);
      if (followed.withheld === undefined) return undefined;
      const wallMs = followed.source.release(packet.timestamp, arrivalMs, common);
      if (wallMs === undefined) return undefined;
      const { datagram, at } = followed.withheld;
      followed.withheld = undefined;
      const report = rewrite(datagram, new Map([[at, { wallMs }]]));
      writeUint32(report, at + rtpTimestampAt, packet.timestamp);
      return report;
    },
    onKeyFrame(track, { ssrc, timestamp }, arrivalMs) {
      tracks.get(track)?.get(ssrc)?.source.onKeyFrame(timestamp, arrivalMs);
    },
    onRtcp(track, datagram, arrivalMs) {
      const fates = new Map<number, Exclude<ReportFate, "pass">>();
      for (let at = 0; at < datagram.length; ) {
        const read = decodeRawPacket(datagram, at);
        if (!read.ok) return datagram;
        const { packet, end } = read.value;
        const fate =
          packet.packetType === rtcpPacketTypes.senderReport ? judge(track, datagram, at, packet, arrivalMs) : "pass";
        if (fate !== "pass") fates.set(at, fate);
        at = end;
      }
      return fates.size === 0 ? datagram : rewrite(datagram, fates);
    },
    onRestart(track) {
      const sources = tracks.get(track) ?? new Map<number, FollowedSource>();
      for (const [ssrc, { heard }] of sources) if (heard > newPackets) sources.delete(ssrc);
      forgetUnusedClock();
    },
    isRepairing: (track) => [...(tracks.get(track)?.values() ?? [])].some(({ source }) => source.isRepaired()),
  };
}

/** Where the timestamps stand in a sender report, and how long what stands before its report blocks is (RFC 3550 §6.4.1). */
const ntpAt = 8;
const rtpTimestampAt = 16;
const senderInfoLength = 20;

function rewrite(datagram: Uint8Array, fates: ReadonlyMap<number, Exclude<ReportFate, "pass">>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < datagram.length; ) {
    const read = decodeRawPacket(datagram, at);
    if (!read.ok) return datagram;
    const { packet, end } = read.value;
    const fate = fates.get(at);
    const bytes = datagram.slice(at, end);
    if (fate === "withhold") parts.push(asReceiverReport(packet));
    else {
      if (fate !== undefined) {
        const { seconds, fraction } = ntpFromWallMs(fate.wallMs);
        writeUint32(bytes, ntpAt, seconds);
        writeUint32(bytes, ntpAt + 4, fraction);
      }
      parts.push(bytes);
    }
    at = end;
  }
  return Uint8Array.from(Buffer.concat(parts));
}

function asReceiverReport({ count, body }: RawRtcpPacket): Uint8Array {
  const blocks = body.subarray(4 + senderInfoLength);
  return encodeRawPacket(rtcpPacketTypes.receiverReport, count, Buffer.concat([body.subarray(0, 4), blocks]));
}
