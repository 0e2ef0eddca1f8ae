import { type Random, randomUint32, randomUnit } from "../core/random.ts";
import { middle32 } from "../rtp/ntp.ts";
import type { ReceiveStatistics } from "../rtp/receive-statistics.ts";
import { encodeRtcp } from "../rtp/rtcp/compound.ts";
import { maxReportBlocks, type ReportBlock } from "../rtp/rtcp/report-block.ts";
import type { SenderReport } from "../rtp/rtcp/sender-report.ts";
import { describeSource } from "../rtp/rtcp/source-description.ts";
import type { SourceReception } from "../rtp/source-statistics.ts";
import { createSourceTable } from "../rtp/source-table.ts";

/** Who reports, and on what. */
export interface ReceiverReportsOptions {
  /** The same for all tracks of one party (RFC 3550 §6.5.1), and nothing that names its host or user (RFC 7022 §4.2). */
  readonly cname: string;
  readonly random: Random;
  /** The track's statistics, which have each packet before `onPacket` is told of it. */
  readonly received: Pick<ReceiveStatistics, "reception" | "rate">;
}

/** What a receiver reports of one track to its sender (RFC 3550 §6.4.2). */
export interface ReceiverReports {
  /** The reporting party: drawn anew should a source turn out to have the same. Feedback goes under it, too. */
  ssrc(): number;
  /** A packet of this source has come; `now` in ms of a monotonic clock. */
  onPacket(ssrc: number, now: number): void;
  /** Takes a sender report as it comes, which the next report answers so that the sender learns its round trip. */
  onSenderReport(report: SenderReport, now: number): void;
  /** When `poll` has something, `Infinity` before the first packet. */
  wakeAt(): number;
  /** The datagram to send now: a report and a CNAME. `undefined` if none is due or nothing has come since the last. */
  poll(now: number): Uint8Array | undefined;
}

/** RFC 3550 §6.2: the least interval on average, half of it for the first report. */
const leastIntervalMs = 5_000;

/** RFC 3550 §6.3.1: intervals are drawn from half to one and a half of what is due, and this makes up for the bias. */
const compensation = Math.E - 1.5;

/** RFC 3550 §6.2: RTCP takes 5 % of the session's bandwidth, here of two members: the sender and us. */
const rtcpShare = 0.05;
const members = 2;

/** Bytes of IP and UDP headers, which count (RFC 3550 §6.2), and of a report with one block and a CNAME. */
const reportBytes = 28 + 32 + 28;

interface Source {
  /** The source's own. */
  readonly ssrc: number;
  heard: boolean;
  expectedBefore: number;
  receivedBefore: number;
  senderReport: { readonly quoted: number; readonly at: number } | undefined;
}

/** Reports about nothing yet. */
export function createReceiverReports(options: ReceiverReportsOptions): ReceiverReports {
  const { cname, random, received } = options;
  const sources = createSourceTable<Source>((of) => ({
    ...{ ssrc: of, heard: false, expectedBefore: 0, receivedBefore: 0 },
    senderReport: undefined,
  }));
  let ssrc = randomUint32(random);
  let dueAt = Number.POSITIVE_INFINITY;

  function plan(now: number, intervalMs: number): void {
    dueAt = now + (intervalMs * (0.5 + randomUnit(random))) / compensation;
  }

  /** What the share of the stream's bandwidth allows; nothing comes of a stream that stands still. */
  function intervalAt(now: number): number {
    const bytesPerMs = (rtcpShare * received.rate.bytesPerSecond(now)) / 1000;
    return bytesPerMs === 0 ? leastIntervalMs : Math.max(leastIntervalMs, (members * reportBytes) / bytesPerMs);
  }

  return {
    ssrc: () => ssrc,

    onPacket(of, now) {
      sources.get(of).heard = true;
      while (of === ssrc) ssrc = randomUint32(random);
      // The rate is not known yet: one report costs little.
      if (dueAt === Number.POSITIVE_INFINITY) plan(now, leastIntervalMs / 2);
    },

    onSenderReport(report, now) {
      sources.get(report.ssrc).senderReport = { quoted: middle32(report.ntp), at: now };
    },

    wakeAt: () => dueAt,

    poll(now) {
      if (now < dueAt) return undefined;
      plan(now, intervalAt(now));
      const reports: ReportBlock[] = [];
      for (const [, source] of sources.entries()) {
        const reception = source.heard ? received.reception(source.ssrc) : undefined;
        if (reception !== undefined) reports.push(reportOn(source, reception, now));
      }
      if (reports.length > 0) {
        const report = { type: "receiver-report", ssrc, reports: reports.slice(0, maxReportBlocks) } as const;
        return encodeRtcp([report, describeSource(ssrc, cname)]);
      }
      // Nothing comes: the next packet plans the next report.
      dueAt = Number.POSITIVE_INFINITY;
      return undefined;
    },
  };
}

/** RFC 3550 A.3: the share is of the packets since the last report, the sum of all. */
function reportOn(source: Source, reception: SourceReception, now: number): ReportBlock {
  const { expected, received, highestSequenceNumber, jitterTicks } = reception;
  const expectedNow = expected - source.expectedBefore;
  const lostNow = expectedNow - (received - source.receivedBefore);
  source.expectedBefore = expected;
  source.receivedBefore = received;
  source.heard = false;
  const { senderReport } = source;
  return {
    ssrc: source.ssrc,
    fractionLost: lostNow <= 0 || expectedNow <= 0 ? 0 : Math.min(255, Math.floor((lostNow * 256) / expectedNow)),
    cumulativeLost: Math.max(-0x80_0000, Math.min(0x7f_ffff, expected - received)),
    highestSequenceNumber,
    jitter: jitterTicks,
    lastSenderReport: senderReport?.quoted ?? 0,
    // In 1/65536 s, 32 bits.
    delaySinceSenderReport: senderReport === undefined ? 0 : Math.round((now - senderReport.at) * 65.536) >>> 0,
  };
}
