import { wallMsFromNtp } from "../rtp/ntp.ts";
import type { SenderReport } from "../rtp/rtcp/sender-report.ts";
import { type ArrivalClock, createArrivalClock, type TimedPacket } from "./arrival-clock.ts";

/** What becomes of a report: passed as it is, given another wall-clock time (ms since 1970), or kept back. */
export type ReportFate = "pass" | "withhold" | { readonly wallMs: number };

/** Ties arrival times to the publisher's wall clock; one for all tracks, so that they stay in sync. */
export interface CommonClock {
  /** What to add to an arrival time to get ms since 1970 by the publisher's clock. */
  offsetMs(): number;
}

/** What a source's reports say of the wall clock, if anything. */
export interface WallClockEvidence {
  readonly offsetMs: number;
  /** When the report came. */
  readonly atMs: number;
  /** The report advanced as it should since the one before. */
  readonly isProven: boolean;
}

/** The reports of one source (SSRC), against its packets. */
export interface ReportSource {
  onRtp(packet: TimedPacket, arrivalMs: number, isKeyFrame: boolean): void;
  /** The picture of this timestamp, which came a while ago, is a key frame. */
  onKeyFrame(timestamp: number, arrivalMs: number): void;
  onReport(report: SenderReport, arrivalMs: number, common: CommonClock): ReportFate;
  /** The wall-clock time of this timestamp, if a report was withheld and the packets since show the time; said once. */
  release(rtpTimestamp: number, nowMs: number, common: CommonClock): number | undefined;
  isRepaired(): boolean;
  evidence(): WallClockEvidence | undefined;
}

/** How far a report may be off: crystals are 10,000 times better, frozen or miscounted clocks far worse. */
const toleratedShare = 0.02;

/** Reports may quote the last packet's timestamp, which is up to a packet's duration (or a few pictures) old. */
const toleratedMs = 200;

/** Reports closer together than this show no rate. */
const minIntervalMs = 500;

/** A mapping that is further off than this did not follow from the packets at all and is replaced, not corrected. */
const maxCorrectedMs = 250;

/**
 * Players turn a corrected mapping into a step of their timestamps at each report, so it must stay below the time between
 * two pictures (33 ms at 30 a second) or theirs would go back.
 */
const maxStepMs = 20;

/** 5 ms a second: no ear or eye notices, and reports that come more often than every 4 s correct no faster. */
const correctedShare = 0.005;

/** Reports this far apart show a clock that is 2 % off beyond what single ones may be; then a new base is taken. */
const maxBaseMs = 60_000;

/** RFC 3550 §5.1 has timestamps start at random: one that lies in the first second after 0 was never meant to mean much. */
const carelessStart = 96_000;

/** Pictures of ten seconds and more, in which every clock rate that can be estimated has been. */
const maxEarly = 600;

interface SeenReport {
  readonly rtpTimestamp: number;
  readonly wallMs: number;
  readonly atMs: number;
}

/** Follows one source; `clockRate` is asked for until it is known. */
export function createReportSource(clock: () => { rate: number; kind: "audio" | "video" } | undefined): ReportSource {
  let arrivals: ArrivalClock | undefined;
  let heard = false;
  /** What came before the clock rate was known, one packet per timestamp. */
  let early: { sequenceNumber: number; timestamp: number; arrivalMs: number; isKeyFrame: boolean }[] = [];
  let first: SeenReport | undefined;
  let base: SeenReport | undefined;
  let before: SeenReport | undefined;
  let passed: SeenReport | undefined;
  let isWithholding = false;
  let isProven = false;
  let isRepaired = false;
  /** From media time to the publisher's wall clock, once repaired. */
  let lineMs: number | undefined;
  let lineAtMs = 0;

  /** Whether the wall clock went on as the timestamps did; `undefined` if that cannot be said yet. */
  function isPlausible(last: SeenReport, next: SeenReport): boolean | undefined {
    if (next.atMs - last.atMs < minIntervalMs) return undefined;
    const ticks = (next.rtpTimestamp - last.rtpTimestamp) | 0;
    const wall = next.wallMs - last.wallMs;
    const rate = clock()?.rate;
    if (rate === undefined) return wall === 0 && ticks !== 0 ? false : undefined;
    const media = (ticks * 1000) / rate;
    return Math.abs(wall - media) <= toleratedMs + toleratedShare * Math.abs(media);
  }

  function repair(rtpTimestamp: number, nowMs: number, common: CommonClock): number | undefined {
    const arrived = arrivals?.offsetMs();
    if (arrivals === undefined || arrived === undefined) return undefined;
    const target = arrived + common.offsetMs();
    // What players were told last goes on, so that nothing jumps; from there the mapping is brought to where it should be.
    lineMs ??= passed === undefined ? target : passed.wallMs - arrivals.mediaMs(passed.rtpTimestamp);
    const error = target - lineMs;
    const step = Math.min(maxStepMs, (nowMs - lineAtMs) * correctedShare);
    lineMs = Math.abs(error) > maxCorrectedMs ? target : lineMs + Math.max(-step, Math.min(step, error));
    lineAtMs = nowMs;
    return lineMs + arrivals.mediaMs(rtpTimestamp);
  }

  return {
    isRepaired: () => isRepaired,
    release(rtpTimestamp, nowMs, common) {
      const wallMs = isWithholding ? repair(rtpTimestamp, nowMs, common) : undefined;
      if (wallMs !== undefined) isWithholding = false;
      return wallMs;
    },
    evidence: () => {
      const report = isProven ? passed : first;
      return report && { offsetMs: report.wallMs - report.atMs, atMs: report.atMs, isProven };
    },
    onRtp({ sequenceNumber, timestamp }, arrivalMs, isKeyFrame) {
      heard = true;
      if (arrivals === undefined) {
        const isNew = timestamp !== early.at(-1)?.timestamp || isKeyFrame;
        if (isNew && early.length < maxEarly) early.push({ sequenceNumber, timestamp, arrivalMs, isKeyFrame });
        const known = clock();
        if (known === undefined) return;
        arrivals = createArrivalClock(known.rate, known.kind);
        for (const each of early) arrivals.onPacket(each, each.arrivalMs, each.isKeyFrame);
        early = [];
      } else arrivals.onPacket({ sequenceNumber, timestamp }, arrivalMs, isKeyFrame);
    },
    onKeyFrame(timestamp, arrivalMs) {
      if (arrivals !== undefined) arrivals.onKeyFrame(timestamp, arrivalMs);
      else early = early.map((each) => (each.timestamp === timestamp ? { ...each, isKeyFrame: true } : each));
    },
    onReport({ ntp, rtpTimestamp, packetCount }, arrivalMs, common) {
      const report = { rtpTimestamp, wallMs: wallMsFromNtp(ntp), atMs: arrivalMs };
      first ??= report;
      base ??= report;
      const verdicts = [isPlausible(before ?? report, report), isPlausible(base, report)];
      before = report;
      if (verdicts.includes(false) || (ntp.seconds === 0 && ntp.fraction === 0)) isRepaired = true;
      else if (verdicts.includes(true) && !isRepaired) isProven = true;
      if (arrivalMs - base.atMs > maxBaseMs) base = report;
      isWithholding = false;
      const wallMs = isRepaired ? repair(rtpTimestamp, arrivalMs, common) : undefined;
      if (wallMs !== undefined) return { wallMs };
      if (isRepaired || (!heard && packetCount === 0 && rtpTimestamp < carelessStart)) {
        isWithholding = true;
        return "withhold";
      }
      lineMs = undefined;
      passed = report;
      return "pass";
    },
  };
}
