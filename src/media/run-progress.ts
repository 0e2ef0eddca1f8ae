import { type ClockRateEstimator, createClockRateEstimator } from "../rtp/clock-rate.ts";
import { type Placement, SequenceWindow, sequenceDistance } from "./sequence-window.ts";

/** What matters of an RTP packet's header, and when it came, in ms of a monotonic clock. */
export interface Arrival {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly at: number;
}

/** Without SDP and estimate: the rate of all video. */
const assumedRate = 90_000;

/** Reordered frames (B-frames) and sound that is sent when it ends lie this far from the line of time. */
const toleranceSeconds = 1;

/** A packet of an earlier run comes late by less: a relay keeps a second of it. */
const lateSeconds = 2.5;

/** Packets that reordering moves one by, at most; and places behind which no packet is asked for any more. */
const nearPackets = 64;
const latePackets = 4_096;

/** Silence that ends a run when another source begins: three of its own pauses, within these bounds. */
const silentPauses = 3;
const leastSilentMs = 300;
const mostSilentMs = 2_000;

/** What a pause still counts after each packet: in bursts of a hundred packets, a third of the pause between them is left. */
const pauseDecay = 0.99;

/** How far a run has come. */
export class RunProgress {
  /** The packet with the highest number, as sent. */
  top: Arrival;
  /** Packets that brought the run forward. */
  advances = 0;
  /** The highest timestamp, as sent but without wraps. */
  highestTimestamp: number;
  #window: SequenceWindow = new SequenceWindow();
  #estimator: ClockRateEstimator = createClockRateEstimator();
  #knownRate: (payloadType: number) => number | undefined;
  #first: Arrival;
  #longestPauseMs = 0;
  #stepTicks = 0;

  constructor(first: Arrival, knownRate: (payloadType: number) => number | undefined) {
    this.top = first;
    this.#first = first;
    this.highestTimestamp = first.timestamp;
    this.#knownRate = knownRate;
    this.#window.place(first.sequenceNumber, first.timestamp, first.at);
  }

  /** Takes a packet after the first. */
  place(packet: Arrival): Placement {
    const placement = this.#window.place(packet.sequenceNumber, packet.timestamp, packet.at);
    if (placement === "ahead") this.#advance(packet);
    // Before two packets have followed on each other, each may be the first of the true sequence.
    if (placement === "unproven") this.#restartAt(packet);
    return placement;
  }

  /** In Hz: as the SDP has it, as estimated, or as the timestamps have run so far. */
  clockRate(): number {
    const known = this.#knownRate(this.top.payloadType) ?? this.#estimator.rate();
    if (known !== undefined) return known;
    const ticks = this.highestTimestamp - this.#first.timestamp;
    const ms = this.top.at - this.#first.at;
    return ticks > 0 && ms >= 500 ? (ticks / ms) * 1000 : assumedRate;
  }

  /** The least timestamp, without wraps, that does not run into what is here: the highest and a packet's usual step. */
  get end(): number {
    return this.highestTimestamp + Math.max(1, this.#stepTicks);
  }

  /** Where the timestamps would be now, without wraps. */
  expectedAt(now: number): number {
    return this.highestTimestamp + ((now - this.top.at) / 1000) * this.clockRate();
  }

  /** True if the run has been still for so long that another source takes its place. */
  isSilent(now: number, leastMs: number = leastSilentMs): boolean {
    const silentMs = now - this.top.at;
    return silentMs >= Math.max(leastMs, Math.min(mostSilentMs, silentPauses * this.#longestPauseMs));
  }

  /** True if the packet's timestamp lies where time has brought it: after an outage, however long, and whatever its number. */
  continuesAt({ timestamp, at }: Arrival): boolean {
    const seconds = ((timestamp - this.top.timestamp) | 0) / this.clockRate();
    return seconds > 0 && Math.abs(seconds - (at - this.top.at) / 1000) <= toleranceSeconds;
  }

  /** How far the packet lies after this run's end, if it fits there better than into its `successor` of the same SSRC. */
  lateDistance({ sequenceNumber, timestamp, at }: Arrival, successor: RunProgress): number | undefined {
    const { top } = successor;
    const ahead = ((timestamp - top.timestamp) | 0) / successor.clockRate() - (at - top.at) / 1000;
    const distance = sequenceDistance(top.sequenceNumber, sequenceNumber);
    if (distance === 1 || (Math.abs(distance) <= nearPackets && ahead < toleranceSeconds / 2)) return undefined;
    return this.fits(sequenceNumber, timestamp);
  }

  /** How far such a packet lies after this run's end, if it can be one of its last. */
  fits(sequenceNumber: number, timestamp: number): number | undefined {
    const distance = sequenceDistance(this.top.sequenceNumber, sequenceNumber);
    const seconds = ((timestamp - this.top.timestamp) | 0) / this.clockRate();
    const isNear = distance > -latePackets && distance <= nearPackets;
    return isNear && seconds > -lateSeconds && seconds < toleranceSeconds ? distance : undefined;
  }

  #advance(packet: Arrival): void {
    this.advances += 1;
    this.#longestPauseMs = Math.max(packet.at - this.top.at, this.#longestPauseMs * pauseDecay);
    const step = (packet.timestamp - this.#wireTimestamp()) | 0;
    if (step > 0) {
      this.highestTimestamp += step;
      // A pause is no step.
      if (step < toleranceSeconds * this.clockRate()) this.#stepTicks = step;
    }
    this.top = packet;
    if (this.#knownRate(packet.payloadType) === undefined) this.#estimator.onPacket(packet.timestamp, packet.at);
  }

  #wireTimestamp(): number {
    return this.highestTimestamp % 2 ** 32;
  }

  #restartAt(packet: Arrival): void {
    this.top = packet;
    this.#first = packet;
    this.highestTimestamp = packet.timestamp;
  }
}
