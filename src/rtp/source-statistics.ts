import { type ClockRateEstimator, createClockRateEstimator } from "./clock-rate.ts";
import type { RtpFields } from "./header.ts";

/** What one source (SSRC) has brought since it was first heard, over all its restarts. */
export interface SourceTotals {
  /** Expected less received (RFC 3550 A.3). A packet that comes late is taken off again. */
  readonly lost: number;
  readonly duplicates: number;
  /** Packets that came after one with a higher sequence number. */
  readonly reordered: number;
  /** Interarrival jitter (RFC 3550 A.8) in ms, 0 while the clock rate is not known. */
  readonly jitterMs: number;
  /** Sequences with two packets at least: 1 for a sound source, one more per restart, 0 for a stray packet. */
  readonly runs: number;
}

/** What a report block needs to know of a source (RFC 3550 §6.4.1), over all its restarts. */
export interface SourceReception {
  /** Packets that the sequence numbers promised, and those that came, duplicates not counted. */
  readonly expected: number;
  readonly received: number;
  /** The highest sequence number of the present run, its wraps in the upper 16 bits. */
  readonly highestSequenceNumber: number;
  /** In ticks of the payload's clock, 0 while its rate is not known. */
  readonly jitterTicks: number;
}

/** Numbers that are remembered to tell late packets from duplicates: 1 s at 10 Mbit/s, at a byte each. A power of two. */
const windowLength = 1024;

/** A gap ahead up to this is loss even if the timestamp stands still (MAX_DROPOUT, RFC 3550 A.1). */
const maxDropout = 3000;

/** Reordering, B-frames and repair put a timestamp back by less; a restarted sender by more, unless it was just started. */
const maxTimestampBackSeconds = 1;

/** How far a timestamp may run ahead of the time passed: more than players buffer, far less than a random new start. */
const maxTimestampAheadSeconds = 10;

/** Assumed where the clock rate is unknown: the highest, since it makes us believe in the fewest restarts. */
const highestClockRate = 96_000;

/** Numbers below a run's first may still come late and move its base down: this keeps them positive. */
const runOffset = 0x1_0000;

/**
 * Follows one SSRC by RFC 3550 A.1, A.3 and A.8, with one change: a sender that starts again may keep its SSRC and set
 * its sequence back, so a jump is judged by the timestamp too. Ahead with a timestamp that fits the time passed is loss,
 * however long; anything else that jumps is a restart as soon as a second packet follows on the first.
 * An outage of more than 32,767 packets cannot be told from a restart.
 */
export class SourceStatistics {
  readonly #seen: Uint8Array = new Uint8Array(windowLength);
  readonly #estimators = new Map<number, ClockRateEstimator>();
  #base = 0;
  #highest = -1;
  #received = 0;
  #receivedBefore = 0;
  #lostBefore = 0;
  #duplicates = 0;
  #reordered = 0;
  #runs = 0;
  #suspect = -1;
  #jitterMs = 0;
  #clockRate: number | undefined;
  #highestTimestamp = 0;
  #highestArrivalMs = 0;
  #lastTimestamp = 0;
  #lastArrivalMs = 0;

  /** Takes one packet; `arrivalMs` is of a monotonic clock, the rate in Hz or `undefined` to have it estimated. */
  onPacket(packet: RtpFields, arrivalMs: number, knownClockRate: number | undefined): void {
    const { sequenceNumber, timestamp } = packet;
    const clockRate = knownClockRate ?? this.#estimateClockRate(packet, arrivalMs);
    const delta = ((sequenceNumber - this.#highest) << 16) >> 16;
    const jumped = this.#timestampJumped(timestamp, arrivalMs, clockRate ?? highestClockRate);
    const advanced = ((timestamp - this.#highestTimestamp) | 0) > 0;
    if (this.#received === 0) this.#begin(sequenceNumber);
    else if (delta === 1 || (delta > 1 && !jumped && (delta <= maxDropout || advanced))) this.#advance(delta);
    else if (delta <= 0 && delta > -windowLength && !jumped) {
      if (!this.#late(this.#highest + delta)) return;
    } else if (sequenceNumber === this.#suspect) this.#restart(sequenceNumber);
    else {
      this.#suspect = (sequenceNumber + 1) & 0xffff;
      return;
    }
    this.#suspect = -1;
    if (this.#received > 1 && !jumped) this.#measureJitter(timestamp, arrivalMs, clockRate);
    this.#clockRate = clockRate;
    this.#lastTimestamp = timestamp;
    this.#lastArrivalMs = arrivalMs;
    if (sequenceNumber === (this.#highest & 0xffff)) {
      this.#highestTimestamp = timestamp;
      this.#highestArrivalMs = arrivalMs;
    }
  }

  /** Totals since the first packet. */
  totals(): SourceTotals {
    return {
      lost: this.#lostBefore + this.#lost(),
      duplicates: this.#duplicates,
      reordered: this.#reordered,
      jitterMs: this.#jitterMs,
      runs: this.#runs,
    };
  }

  /** The same, for a receiver report. */
  reception(): SourceReception {
    const received = this.#receivedBefore + this.#received;
    return {
      expected: received + this.#lostBefore + this.#lost(),
      received,
      highestSequenceNumber: Math.max(0, this.#highest - runOffset) >>> 0,
      jitterTicks: Math.round((this.#jitterMs * (this.#clockRate ?? 0)) / 1000),
    };
  }

  #lost(): number {
    return this.#received === 0 ? 0 : this.#highest - this.#base + 1 - this.#received;
  }

  #begin(sequenceNumber: number): void {
    this.#base = sequenceNumber + runOffset;
    this.#highest = this.#base;
    this.#received = 1;
    this.#seen.fill(0);
    this.#seen[sequenceNumber % windowLength] = 1;
  }

  #advance(delta: number): void {
    if (delta >= windowLength) this.#seen.fill(0);
    else for (let i = 1; i < delta; i += 1) this.#seen[(this.#highest + i) % windowLength] = 0;
    this.#highest += delta;
    this.#countReceived();
    this.#seen[this.#highest % windowLength] = 1;
  }

  /** Takes a number at or below the highest; false if it has been there before. */
  #late(extended: number): boolean {
    if (this.#seen[extended % windowLength] === 1) {
      this.#duplicates += 1;
      return false;
    }
    this.#seen[extended % windowLength] = 1;
    this.#base = Math.min(this.#base, extended);
    this.#countReceived();
    this.#reordered += 1;
    return true;
  }

  #countReceived(): void {
    this.#received += 1;
    if (this.#received === 2) this.#runs += 1;
  }

  #restart(sequenceNumber: number): void {
    this.#lostBefore += this.#lost();
    this.#receivedBefore += this.#received;
    this.#estimators.clear();
    this.#begin((sequenceNumber - 1) & 0xffff);
    this.#advance(1);
  }

  #timestampJumped(timestamp: number, arrivalMs: number, clockRate: number): boolean {
    const ahead = ((timestamp - this.#highestTimestamp) | 0) / clockRate;
    const passed = Math.max(0, arrivalMs - this.#highestArrivalMs) / 1000;
    return ahead < -maxTimestampBackSeconds || ahead > passed + maxTimestampAheadSeconds;
  }

  #measureJitter(timestamp: number, arrivalMs: number, clockRate: number | undefined): void {
    // Ticks of two clocks cannot be compared, so a change of codec skips one packet.
    if (clockRate === undefined || clockRate !== this.#clockRate) return;
    const sentMs = (((timestamp - this.#lastTimestamp) | 0) / clockRate) * 1000;
    const transitChange = Math.abs(arrivalMs - this.#lastArrivalMs - sentMs);
    this.#jitterMs += (transitChange - this.#jitterMs) / 16;
  }

  #estimateClockRate(packet: RtpFields, arrivalMs: number): number | undefined {
    let estimator = this.#estimators.get(packet.payloadType);
    if (estimator === undefined) {
      estimator = createClockRateEstimator();
      this.#estimators.set(packet.payloadType, estimator);
    }
    estimator.onPacket(packet.timestamp, arrivalMs);
    return estimator.rate();
  }
}
