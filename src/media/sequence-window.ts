/**
 * Where a packet belongs in its source's sequence:
 * - `ahead`: the newest so far; `missing` numbers before it have not come
 * - `late`: fills a place that was left open
 * - `duplicate`: came already
 * - `restart`: the source began anew; nothing before it matters any more
 * - `stray`: fits nowhere. Either a very late packet, or the first after a restart: the next one tells
 * - `unproven`: not yet known to be RTP at all, since no two numbers have followed on each other
 */
export type Placement = "ahead" | "late" | "duplicate" | "restart" | "stray" | "unproven";

/** Places that are remembered: 1.5 s at 30 Mbit/s. A power of two. Not more, since each costs 17 bytes per source. */
const windowLength = 4096;

/** A jump ahead beyond this is no gap but another sequence (MAX_DROPOUT, RFC 3550 A.1). */
const maxDropout = 3000;

/**
 * A number that comes again within this time is a duplicate, later on a sender that began anew. Not less, since a packet
 * may be asked for over a whole second; not more, since a sender that is started again at once must not be kept waiting.
 */
const duplicateMs = 1_500;

/** A timestamp further back than this is not reordering nor B-frames; further ahead than `maxAheadSeconds`, no pause. */
const maxBackSeconds = 1;
const maxAheadSeconds = 10;

/** The highest clock rate in use: an unknown clock is taken for the one that makes us believe in the fewest restarts. */
const highestClockRate = 96_000;

/** How far `to` lies after `from`, both 16 bits: -32768 to 32767. */
export function sequenceDistance(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/**
 * Places the packets of one SSRC (RFC 3550 A.1), for senders that keep their SSRC and set their sequence back when they
 * start again. Numbers are extended so that they never repeat, over wraps and restarts.
 */
export class SequenceWindow {
  /** The extended number of the packet placed last; its low 16 bits are those on the wire. */
  extended = 0;
  /** After `ahead`: how many numbers before `extended` are open since then. */
  missing = 0;
  /** The highest extended number. */
  highest = -1;
  #proven = false;
  #suspect = -1;
  #beganAt = 0;
  #highestTimestamp = 0;
  #highestAt = 0;
  // Made when the source has proven to be one: a flood of invented SSRCs costs no memory.
  #numbers: Float64Array = new Float64Array(0);
  #timestamps: Uint32Array = new Uint32Array(0);
  /** When the packet came; before 0 when it has not come. */
  #arrivals: Float64Array = new Float64Array(0);

  /** Places a packet by its sequence number and timestamp, at `now` ms of a monotonic clock. */
  place(sequenceNumber: number, timestamp: number, now: number): Placement {
    if (!this.#proven) return this.#prove(sequenceNumber, timestamp, now);
    const distance = sequenceDistance(this.highest, sequenceNumber);
    this.extended = this.highest + distance;
    if (distance > 0 && distance <= maxDropout && (distance === 1 || !this.#jumped(timestamp, now))) {
      this.missing = distance - 1;
      for (let number = this.highest + 1; number < this.extended; number += 1) this.#note(number, 0, -1);
      this.#top(timestamp, now);
      return "ahead";
    }
    return this.#placeBehind(distance, timestamp, now) ?? this.#doubt(sequenceNumber, timestamp, now);
  }

  #prove(sequenceNumber: number, timestamp: number, now: number): Placement {
    const follows = this.highest >= 0 && sequenceDistance(this.highest, sequenceNumber) === 1;
    if (!follows) {
      this.#begin(sequenceNumber, now);
      this.#highestTimestamp = timestamp;
      this.#highestAt = now;
      return "unproven";
    }
    this.#proven = true;
    this.#numbers = new Float64Array(windowLength);
    this.#timestamps = new Uint32Array(windowLength);
    this.#arrivals = new Float64Array(windowLength);
    this.#note(this.highest, this.#highestTimestamp, this.#highestAt);
    this.extended = this.highest + 1;
    this.missing = 0;
    this.#top(timestamp, now);
    return "ahead";
  }

  /** A place at or below the highest: open, taken, or unknown, which says that the packet is of another sequence. */
  #placeBehind(distance: number, timestamp: number, now: number): Placement | undefined {
    if (distance > 0 || distance <= -windowLength) return undefined;
    const slot = this.extended % windowLength;
    if (this.#numbers[slot] !== this.extended) {
      if (now - this.#beganAt > duplicateMs || this.#jumped(timestamp, now)) return undefined;
      this.#note(this.extended, timestamp, now);
      return "late";
    }
    const arrivedAt = this.#arrivals[slot] ?? -1;
    if (arrivedAt >= 0) {
      return now - arrivedAt <= duplicateMs && this.#timestamps[slot] === timestamp ? "duplicate" : undefined;
    }
    if (this.#jumped(timestamp, now)) return undefined;
    this.#note(this.extended, timestamp, now);
    return "late";
  }

  /** What fits nowhere begins a new sequence as soon as a second packet follows on it. */
  #doubt(sequenceNumber: number, timestamp: number, now: number): Placement {
    if (sequenceNumber !== this.#suspect) {
      this.#suspect = (sequenceNumber + 1) & 0xffff;
      return "stray";
    }
    this.#begin((sequenceNumber - 1) & 0xffff, now);
    this.#note(this.highest, timestamp, now);
    this.extended = this.highest + 1;
    this.missing = 0;
    this.#top(timestamp, now);
    return "restart";
  }

  #begin(sequenceNumber: number, now: number): void {
    // Two laps on, so that no number of the old sequence is taken for one of the new.
    this.highest = (Math.floor(Math.max(0, this.highest) / 0x1_0000) + 2) * 0x1_0000 + sequenceNumber;
    this.extended = this.highest;
    this.#beganAt = now;
    this.#suspect = -1;
  }

  #top(timestamp: number, now: number): void {
    this.highest = this.extended;
    this.#highestTimestamp = timestamp;
    this.#highestAt = now;
    this.#suspect = -1;
    this.#note(this.extended, timestamp, now);
  }

  #note(number: number, timestamp: number, arrivedAt: number): void {
    const slot = number % windowLength;
    this.#numbers[slot] = number;
    this.#timestamps[slot] = timestamp;
    this.#arrivals[slot] = arrivedAt;
  }

  #jumped(timestamp: number, now: number): boolean {
    const seconds = ((timestamp - this.#highestTimestamp) | 0) / highestClockRate;
    return seconds < -maxBackSeconds || seconds > (now - this.#highestAt) / 1000 + maxAheadSeconds;
  }
}
