import { middle32 } from "../rtp/ntp.ts";
import type { ReportBlock } from "../rtp/rtcp/report-block.ts";
import type { SenderReport } from "../rtp/rtcp/sender-report.ts";

/** How to understand the reports on one track. */
export interface ReportAggregatorOptions {
  /** The RTP clock's rate in Hz once it is known, for jitter in milliseconds. */
  readonly clockRate?: () => number | undefined;
}

/** What one viewer says about its leg, in its last report. */
export interface ViewerReport {
  /** 0-1, since the report before. */
  readonly lossFraction: number;
  /** Packets since it came; negative when duplicates outnumber losses. */
  readonly lost: number;
  /** `undefined` while the clock rate is not known. */
  readonly jitterMs: number | undefined;
  /** Between relay and viewer; `undefined` until a report answers a sender report that was passed on. */
  readonly rttMs: number | undefined;
}

/** What all viewers of a track say, in one. */
export interface ReportSummary {
  /** Viewers whose last report is not out of date. */
  readonly viewers: number;
  /** 0-1, of the viewer who fares worst. */
  readonly worstLossFraction: number;
  readonly medianJitterMs: number | undefined;
  readonly worstJitterMs: number | undefined;
  readonly medianRttMs: number | undefined;
  readonly worstRttMs: number | undefined;
}

/** Collects the reception reports of all viewers of one track, instead of passing on each of them. */
export interface ReportAggregator {
  /** A sender report was passed on to the viewers, in the form in which they get it. */
  onSenderReport(report: SenderReport, now: number): void;
  /** A viewer's report block; `viewer` is any name for it, `now` in ms of a monotonic clock. */
  onReport(viewer: string, block: ReportBlock, now: number): void;
  /** The viewer is gone. */
  forget(viewer: string): void;
  /** One viewer's last report, if there is one that is not out of date. */
  viewer(viewer: string, now: number): ViewerReport | undefined;
  summary(now: number): ReportSummary;
}

/**
 * After three intervals at their longest (7.5 s, RFC 3550 §6.3.1) without a report a viewer no longer counts: less would
 * drop one whose reports were lost twice, more would show viewers who have left.
 */
const expiryMs = 22_500;

/** Viewers kept: ten times what a relay is made for, and a bound on what invented ones can cost. */
const viewersMax = 10_000;

/** Sender reports whose time is kept: answers come to one of the last two or three. */
const senderReportsMax = 8;

/** An aggregator that has heard of nobody. Blocks on a source that sent no report count, without a round trip. */
export function createReportAggregator(options: ReportAggregatorOptions = {}): ReportAggregator {
  const { clockRate = () => undefined } = options;
  const last = new Map<string, { readonly block: ReportBlock; readonly at: number; readonly rttMs?: number }>();
  const passedOn = new Map<number, number>();

  function measureRtt(block: ReportBlock, now: number): number | undefined {
    const at = passedOn.get(block.lastSenderReport);
    if (block.lastSenderReport === 0 || at === undefined) return undefined;
    return Math.max(0, now - at - block.delaySinceSenderReport / 65.536);
  }

  function describe(viewer: string, now: number): ViewerReport | undefined {
    const report = last.get(viewer);
    if (report === undefined || now - report.at > expiryMs) return undefined;
    const { block, rttMs } = report;
    const rate = clockRate();
    return {
      lossFraction: block.fractionLost / 256,
      lost: block.cumulativeLost,
      jitterMs: rate === undefined ? undefined : (block.jitter / rate) * 1000,
      rttMs,
    };
  }

  return {
    onSenderReport(report, now) {
      const quoted = middle32(report.ntp);
      passedOn.delete(quoted);
      // A clock that stands still gives every report the same name: it is the last one that an answer counts from.
      passedOn.set(quoted, now);
      if (passedOn.size > senderReportsMax) passedOn.delete(passedOn.keys().next().value ?? 0);
    },

    onReport(viewer, block, now) {
      const rttMs = measureRtt(block, now) ?? last.get(viewer)?.rttMs;
      last.delete(viewer);
      last.set(viewer, { block, at: now, ...(rttMs !== undefined && { rttMs }) });
      if (last.size > viewersMax) last.delete(last.keys().next().value ?? "");
    },

    forget: (viewer) => void last.delete(viewer),
    viewer: describe,

    summary(now) {
      const reports: ViewerReport[] = [];
      for (const viewer of last.keys()) {
        const report = describe(viewer, now);
        if (report === undefined) last.delete(viewer);
        else reports.push(report);
      }
      const jitters = sorted(reports.map(({ jitterMs }) => jitterMs));
      const rtts = sorted(reports.map(({ rttMs }) => rttMs));
      return {
        viewers: reports.length,
        worstLossFraction: reports.reduce((worst, { lossFraction }) => Math.max(worst, lossFraction), 0),
        medianJitterMs: jitters[jitters.length >> 1],
        worstJitterMs: jitters.at(-1),
        medianRttMs: rtts[rtts.length >> 1],
        worstRttMs: rtts.at(-1),
      };
    },
  };
}

function sorted(values: readonly (number | undefined)[]): number[] {
  return values.filter((value) => value !== undefined).sort((a, b) => a - b);
}
