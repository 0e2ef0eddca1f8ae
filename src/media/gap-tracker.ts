import { createSourceTable } from "../rtp/source-table.ts";
import { SequenceWindow } from "./sequence-window.ts";

/** How to ask for what is missing. */
export interface GapTrackerOptions {
  /** Milliseconds from the moment a gap shows for which its packets are asked for again. Default 1000: what a relay keeps. */
  readonly deadlineMs?: number;
  /** Requests for one packet at most. Default 10: at 20 % loss both ways one packet in 27,000 lost ones needs more. */
  readonly maxTries?: number;
}

/** Packets of one source that are to be asked for now, in ascending order over the wrap: a generic NACK's content. */
export interface RepairRequest {
  readonly ssrc: number;
  /** 1 to 256 of them: at worst 1 KB of NACK, so that it is never fragmented. */
  readonly sequenceNumbers: readonly number[];
}

/** Totals since the start. */
export interface GapCounters {
  /** Packets that were asked for, each counted once. */
  readonly requested: number;
  /** Of these, those that came in time. */
  readonly repaired: number;
  /** Requests for a packet, repetitions counted, echoes not. */
  readonly tries: number;
  /** Packets given up. */
  readonly lost: number;
}

/** Notices what is missing on one component, and says when to ask for it. */
export interface GapTracker {
  /** Takes one RTP packet's SSRC, number and timestamp; `now` in ms of a monotonic clock. */
  onPacket(ssrc: number, sequenceNumber: number, timestamp: number, now: number): void;
  /** What to ask for now. Whoever calls it sends the requests. */
  take(now: number): readonly RepairRequest[];
  /** When `take` has something next, `Infinity` for never. May be too early, never too late. */
  wakeAt(): number;
  /** The round trip to whoever answers, in ms, measured by others. Answers to requests refine it. */
  noteRtt(rttMs: number): void;
  counters(): GapCounters;
}

/** A packet that has not come. */
interface Gap {
  readonly since: number;
  /** The tracker's count of packets when it was noticed. */
  readonly arrivals: number;
  tries: number;
  askedAt: number;
  /** The place of the last request among all: answers come in this order. */
  order: number;
  /** The last request is still to be said a second time. */
  echoes: boolean;
  dueAt: number;
}

/** Bounds of the time between two requests for the same packet; the upper one is for paths that stall. */
const leastAgainMs = 10;
const mostAgainMs = 500;
/** Before any round trip was measured: that of a continent. */
const assumedRttMs = 50;

/**
 * A request that was in vain once is said twice, 3 ms apart: less might be lost together with the first, more would come
 * after the time (8 ms) in which a relay knows it for the same one, and answer it twice.
 */
const echoMs = 3;

/**
 * Between two requests of one component, so that whoever answers reads 500 a second at most, whatever is lost. Not more: where
 * a fifth is lost, 4 ms would cost one of the four tries that 40 ms have room for.
 */
const apartMs = 2;

/** Nobody waits longer for a packet that may only have been overtaken: a request more costs less than 10 ms do. */
const maxToleranceMs = 10;
/** After as many later packets one is lost rather than overtaken (TCP's three duplicate ACKs, RFC 5681 §3.2). */
const laterPackets = 3;
/** Of the tolerance, kept after each request that reordering did not make needless: halved within 35 losses. */
const toleranceDecay = 0.98;

/** Open gaps of one source: at 25 % of the stream for repair, more could not be filled within a second at 20 Mbit/s. */
const gapsMax = 512;
const perRequest = 256;

interface Source {
  readonly window: SequenceWindow;
  /** By extended number, ascending. */
  readonly gaps: Map<number, Gap>;
}

/** A tracker that has seen nothing yet. It forgets what a source lacks when the source begins anew. */
export function createGapTracker(options: GapTrackerOptions = {}): GapTracker {
  const { deadlineMs = 1_000, maxTries = 10 } = options;
  const sources = createSourceTable<Source>(
    () => ({ window: new SequenceWindow(), gaps: new Map() }),
    ({ gaps }) => forget(gaps),
  );
  const counts = { requested: 0, repaired: 0, tries: 0, lost: 0 };
  let measuredRttMs: number | undefined;
  let toleranceMs = 0;
  let arrivals = 0;
  let orders = 0;
  /** Packets until a gap may be due for the packets that came after it. */
  let patience = 0;
  /** No gap is due earlier. */
  let nextDueAt = Number.POSITIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;

  function forget(gaps: Map<number, Gap>): void {
    counts.lost += gaps.size;
    gaps.clear();
  }

  function open({ window, gaps }: Source, now: number): void {
    const dueAt = now + toleranceMs;
    const first = window.extended - Math.min(window.missing, gapsMax);
    counts.lost += window.missing - (window.extended - first);
    for (let number = first; number < window.extended; number += 1) {
      gaps.set(number, { since: now, arrivals, tries: 0, askedAt: 0, order: 0, echoes: false, dueAt });
    }
    for (const number of gaps.keys()) {
      if (gaps.size <= gapsMax) break;
      gaps.delete(number);
      counts.lost += 1;
    }
    nextDueAt = Math.min(nextDueAt, dueAt);
    if (patience === 0 && toleranceMs > 0) patience = laterPackets - 1;
  }

  function fill({ window, gaps }: Source, now: number): void {
    const gap = gaps.get(window.extended);
    if (gap === undefined) return;
    gaps.delete(window.extended);
    if (gap.tries > 0) counts.repaired += 1;
    const tookMs = now - gap.askedAt;
    // What comes unasked, or in half a round trip, had only been overtaken.
    if (gap.tries === 0 || (gap.tries === 1 && measuredRttMs !== undefined && tookMs < measuredRttMs / 2)) {
      toleranceMs = Math.min(maxToleranceMs, Math.max(toleranceMs, 1.5 * (now - gap.since)));
    } else if (gap.tries === 1) {
      toleranceMs *= toleranceDecay;
      measuredRttMs = measuredRttMs === undefined ? tookMs : measuredRttMs + (tookMs - measuredRttMs) / 8;
      hurry(gaps, gap.order, now);
    }
  }

  /** The answer to request `order` is here: those to earlier requests would be here, too, had they not been lost. */
  function hurry(gaps: Map<number, Gap>, order: number, now: number): void {
    for (const gap of gaps.values()) {
      if (gap.tries === 0 || gap.order >= order || gap.echoes) continue;
      gap.dueAt = Math.min(gap.dueAt, Math.max(now + toleranceMs, gap.askedAt + leastAgainMs));
      nextDueAt = Math.min(nextDueAt, gap.dueAt);
    }
  }

  /** The numbers that are due. A gap that is due and may not be asked for again is given up. */
  function collect(gaps: Map<number, Gap>, now: number): number[] {
    const numbers: number[] = [];
    const againMs = Math.min(mostAgainMs, Math.max(leastAgainMs, 1.5 * (measuredRttMs ?? assumedRttMs)));
    for (const [number, gap] of gaps) {
      const overtaken = gap.tries === 0 && arrivals - gap.arrivals >= laterPackets - 1;
      if (now < gap.dueAt && !overtaken) {
        nextDueAt = Math.min(nextDueAt, gap.dueAt);
      } else if (gap.echoes) {
        gap.echoes = false;
        gap.dueAt = gap.askedAt + againMs;
        nextDueAt = Math.min(nextDueAt, gap.dueAt);
        numbers.push(number & 0xffff);
      } else if (gap.tries === 0 || (gap.tries < maxTries && now - gap.since <= deadlineMs)) {
        if (gap.tries === 0) counts.requested += 1;
        gap.tries += 1;
        counts.tries += 1;
        orders += 1;
        gap.order = orders;
        gap.askedAt = now;
        gap.echoes = gap.tries > 1;
        gap.dueAt = now + (gap.echoes ? echoMs : againMs);
        nextDueAt = Math.min(nextDueAt, gap.dueAt);
        numbers.push(number & 0xffff);
      } else {
        gaps.delete(number);
        counts.lost += 1;
      }
    }
    return numbers;
  }

  return {
    onPacket(ssrc, sequenceNumber, timestamp, now) {
      arrivals += 1;
      if (patience > 0) {
        patience -= 1;
        if (patience === 0) nextDueAt = now;
      }
      const source = sources.get(ssrc);
      const placement = source.window.place(sequenceNumber, timestamp, now);
      if (placement === "ahead" && source.window.missing > 0) open(source, now);
      else if (placement === "late") fill(source, now);
      else if (placement === "restart") forget(source.gaps);
    },

    take(now) {
      if (now < nextDueAt || now < askedAt + apartMs) return [];
      nextDueAt = Number.POSITIVE_INFINITY;
      const requests: RepairRequest[] = [];
      for (const [ssrc, { gaps }] of sources.entries()) {
        const numbers = collect(gaps, now);
        for (let at = 0; at < numbers.length; at += perRequest) {
          requests.push({ ssrc, sequenceNumbers: numbers.slice(at, at + perRequest) });
        }
      }
      if (requests.length > 0) askedAt = now;
      return requests;
    },

    wakeAt: () => Math.max(nextDueAt, askedAt + apartMs),

    noteRtt(rttMs) {
      measuredRttMs = rttMs;
    },

    counters: () => ({ ...counts }),
  };
}
