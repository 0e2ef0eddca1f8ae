import { type Random, randomUint32 } from "../core/random.ts";
import { encodeRtp, rtpHeaderLength } from "../rtp/header.ts";
import { middle32, ntpFromWallMs } from "../rtp/ntp.ts";
import type { ReportBlock } from "../rtp/rtcp/report-block.ts";
import type { SenderReport } from "../rtp/rtcp/sender-report.ts";
import type { ScheduledPayload } from "./track-feed.ts";

/** What the other side says about a track, from its last report block (RFC 3550 §6.4.1). */
export interface ReceiverView {
  /** 0-1, since the report before. */
  readonly lossFraction: number;
  /** Packets since it began to listen; negative when duplicates outnumber losses. */
  readonly lost: number;
  readonly jitterMs: number;
  /** Absent until a report answers one of ours. */
  readonly rttMs?: number;
}

/** Totals since the start. */
export interface TrackCounters {
  readonly packets: number;
  /** RTP with its header, as it is in UDP. */
  readonly bytes: number;
  /** Pictures or audio frames begun. */
  readonly accessUnits: number;
  readonly receiver?: ReceiverView;
}

/** The RTP side of one track: its identity, numbering and counters. */
export interface TrackOutput {
  readonly ssrc: number;
  readonly payloadType: number;
  /** The next RTP packet. */
  packet(payload: ScheduledPayload): Uint8Array;
  /** A sender report for the stream's time `positionMs`, which is the wall clock's `wallMs`. */
  report(positionMs: number, wallMs: number): SenderReport;
  /** Takes in a block of a report that came back, if it is about this track. */
  noteReport(block: ReportBlock, wallMs: number): void;
  counters(): TrackCounters;
}

/** Random SSRC, first sequence number and timestamp offset (RFC 3550 §5.1). `clockRate` is the RTP clock's, in hertz. */
export function createTrackOutput(random: Random, ssrc: number, payloadType: number, clockRate: number): TrackOutput {
  const timestampOffset = randomUint32(random);
  let sequenceNumber = randomUint32(random) & 0xffff;
  let packets = 0;
  let octets = 0;
  let accessUnits = 0;
  let receiver: ReceiverView | undefined;
  return {
    ssrc,
    payloadType,
    packet: ({ bytes, marker, ticks, first }) => {
      const timestamp = wrap32(timestampOffset + ticks);
      const packet = encodeRtp({ payloadType, marker, sequenceNumber, timestamp, ssrc }, bytes);
      sequenceNumber = (sequenceNumber + 1) & 0xffff;
      packets++;
      octets += bytes.length;
      if (first) accessUnits++;
      return packet;
    },
    report: (positionMs, wallMs) => ({
      type: "sender-report",
      ssrc,
      ntp: ntpFromWallMs(wallMs),
      rtpTimestamp: wrap32(timestampOffset + Math.round((positionMs * clockRate) / 1000)),
      packetCount: wrap32(packets),
      octetCount: wrap32(octets),
      reports: [],
    }),
    noteReport: (block, wallMs) => {
      if (block.ssrc !== ssrc) return;
      // RFC 3550 §6.4.1: arrival minus LSR minus DLSR, in 1/65536 s; clocks that step make it negative.
      const rtt = (middle32(ntpFromWallMs(wallMs)) - block.lastSenderReport - block.delaySinceSenderReport) | 0;
      receiver = {
        lossFraction: block.fractionLost / 256,
        lost: block.cumulativeLost,
        jitterMs: (block.jitter / clockRate) * 1000,
        ...(block.lastSenderReport === 0 ? {} : { rttMs: Math.max(0, (rtt / 65_536) * 1000) }),
      };
    },
    counters: () => ({
      packets,
      bytes: octets + packets * rtpHeaderLength,
      accessUnits,
      ...(receiver === undefined ? {} : { receiver }),
    }),
  };
}

/** `count` different SSRCs (RFC 3550 §8.1). */
export function chooseSsrcs(random: Random, count: number): number[] {
  const ssrcs = new Set<number>();
  while (ssrcs.size < count) ssrcs.add(randomUint32(random));
  return [...ssrcs];
}

function wrap32(value: number): number {
  const wrapped = value % 2 ** 32;
  return wrapped < 0 ? wrapped + 2 ** 32 : wrapped;
}
