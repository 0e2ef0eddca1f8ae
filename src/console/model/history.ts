import type { ApiStream } from "../../http/api/shapes.ts";

/** How a stream fared over one interval of the relay's figures, a second or so. */
export interface Sample {
  /** When the interval ended, in ms since 1970 UTC. */
  readonly atMs: number;
  /** Bits a second of UDP payload, from the publisher and to all viewers. */
  readonly inBits: number;
  readonly outBits: number;
  /** 0-1; `undefined` where the relay does not see the packets. */
  readonly lossIn: number | undefined;
  /** 0-1, of the viewer who fares worst; `undefined` while no viewer has said. */
  readonly lossOut: number | undefined;
  /** Packets to viewers that could not be sent. */
  readonly drops: number;
  /** Packets larger than a viewer's path takes. */
  readonly oversized: number;
}

interface Totals {
  readonly uptimeMs: number;
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly lostIn: number | undefined;
  readonly bytesOut: number;
  readonly drops: number;
  readonly oversized: number;
}

/** A stream's last minutes. */
export interface History {
  /** Oldest first. */
  readonly samples: readonly Sample[];
  readonly totals: Totals;
}

/** Samples kept: five minutes of one a second. Not more, since this is for looking on; not less, or a hiccup is gone before it is seen. */
export const samplesMax = 300;

/** What is known at first. */
export function startHistory(stats: ApiStream["stats"], uptimeMs: number): History {
  return { samples: [], totals: totalsOf(stats, uptimeMs) };
}

/**
 * Adds figures of `uptimeMs` of the relay, told at `atMs` since 1970 UTC. A relay that was started anew, whose totals begin
 * at zero again, makes no sample.
 */
export function addFigures(history: History, stats: ApiStream["stats"], uptimeMs: number, atMs: number): History {
  const [before, after] = [history.totals, totalsOf(stats, uptimeMs)];
  const seconds = (after.uptimeMs - before.uptimeMs) / 1000;
  const isAnew = seconds < 0 || after.bytesIn < before.bytesIn || after.bytesOut < before.bytesOut;
  if (isAnew) return { ...history, totals: after };
  if (seconds === 0) return history;
  const sample: Sample = {
    atMs,
    inBits: ((after.bytesIn - before.bytesIn) * 8) / seconds,
    outBits: ((after.bytesOut - before.bytesOut) * 8) / seconds,
    lossIn: after.lostIn === undefined ? undefined : lossBetween(before, after),
    lossOut: worstLoss(stats),
    drops: Math.max(0, after.drops - before.drops),
    oversized: Math.max(0, after.oversized - before.oversized),
  };
  return { samples: [...history.samples.slice(1 - samplesMax), sample], totals: after };
}

function totalsOf(stats: ApiStream["stats"], uptimeMs: number): Totals {
  const sum = (of: (each: ApiStream["stats"]["in"][number]) => number): number =>
    stats.in.reduce((total, each) => total + of(each), 0);
  const isSeen = stats.in.some(({ lost }) => lost !== undefined);
  return {
    uptimeMs,
    packetsIn: sum(({ packets }) => packets),
    bytesIn: sum(({ bytes }) => bytes),
    lostIn: isSeen ? sum(({ lost = 0 }) => lost) : undefined,
    bytesOut: stats.out.bytes + (stats.browsers?.sent.bytes ?? 0),
    drops: stats.out.drops + (stats.browsers?.sent.drops ?? 0),
    oversized: stats.oversized,
  };
}

/** Of who fares worst, in a browser or not; `undefined` if nobody has said. */
function worstLoss({ viewers, browsers }: ApiStream["stats"]): number | undefined {
  const told = [...viewers, ...(browsers === undefined ? [] : [browsers])].filter((each) => each.viewers > 0);
  return told.length === 0 ? undefined : Math.max(...told.map(({ worstLossFraction }) => worstLossFraction));
}

/** A packet that comes late takes its loss back: less than none is none. */
function lossBetween(before: Totals, after: Totals): number {
  const lost = Math.max(0, (after.lostIn ?? 0) - (before.lostIn ?? 0));
  const packets = Math.max(0, after.packetsIn - before.packetsIn);
  return lost === 0 ? 0 : lost / (lost + packets);
}

/** The last seconds of a stream in one: means of what was known. */
export interface Recent extends Omit<Sample, "atMs"> {
  /** False until figures have come twice, and rates of 0 mean nothing. */
  readonly isMeasured: boolean;
}

/** Seconds that count as now for loss: a packet lost once should be seen, and be over soon after. */
const recentSamples = 10;

/** Rates of the last three samples, so that figures can be read, and losses of the last ten. */
export function recent({ samples }: Pick<History, "samples">): Recent {
  const last = samples.slice(-recentSamples);
  const sum = (of: (sample: Sample) => number): number => last.reduce((total, sample) => total + of(sample), 0);
  return {
    isMeasured: last.length > 0,
    inBits: mean(samples.slice(-3).map(({ inBits }) => inBits)) ?? 0,
    outBits: mean(samples.slice(-3).map(({ outBits }) => outBits)) ?? 0,
    lossIn: mean(last.map(({ lossIn }) => lossIn)),
    // Reports come every few seconds, and each holds until the next.
    lossOut: last.at(-1)?.lossOut,
    drops: sum(({ drops }) => drops),
    oversized: sum(({ oversized }) => oversized),
  };
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
}
