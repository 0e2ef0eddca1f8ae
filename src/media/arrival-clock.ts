/** What a packet must tell for the estimate. */
export interface TimedPacket {
  readonly sequenceNumber: number;
  readonly timestamp: number;
}

/** Where a source's timestamps stand against the time of arrival. */
export interface ArrivalClock {
  /** Takes one packet; `isKeyFrame` says that a key frame begins with it. */
  onPacket(packet: TimedPacket, arrivalMs: number, isKeyFrame: boolean): void;
  /** The picture of this timestamp, which came a while ago, is a key frame. */
  onKeyFrame(timestamp: number, arrivalMs: number): void;
  /** Milliseconds that `timestamp` lies after the source's first one, over any number of wraps. */
  mediaMs(timestamp: number): number;
  /** What to add to `mediaMs` to get the time at which that instant arrived; `undefined` before there is evidence. */
  offsetMs(): number | undefined;
}

/**
 * Long enough for a packet without queueing to be among them, short enough that two clocks, 100 ppm apart at worst, have
 * not moved by more than a millisecond.
 */
const windowMs = 5000;

/** Key frames that the earliest is taken of: they may come every 10 s, and one of them may have queued. */
const keyFramesKept = 6;

/** Two key frames further apart than any queue explains: the timestamps have jumped. */
const maxJitterMs = 1000;

/** A step of more than this share above the shortest is a pause, not a packet's duration. */
const longestStep = 1.5;

/**
 * A clock for one source of `clockRate` Hz. The network only ever delays, so the packets that came earliest for their
 * timestamp show the mapping. Which instant a packet's departure stands for depends on what is in it:
 *
 * - Audio leaves when its last sample has been taken, so a packet's arrival stands for its end: the next one's timestamp.
 * - A picture's timestamp is when it is shown. With B-frames some leave before that and some after, and a picture that
 *   opens a sequence shows by how much; without key frames known, all pictures count.
 */
export function createArrivalClock(clockRate: number, kind: "audio" | "video"): ArrivalClock {
  let first: number | undefined;
  let last = { sequenceNumber: 0, timestamp: 0, ms: 0, arrivalMs: 0 };
  let shortestStepMs = Number.POSITIVE_INFINITY;
  const recent = createRecentMinimum();
  let keyFrames: number[] = [];

  const mediaMs = (timestamp: number): number => last.ms + (((timestamp - last.timestamp) | 0) * 1000) / clockRate;

  function addKeyFrame(offset: number): void {
    const jumped = keyFrames.some((other) => Math.abs(offset - other) > maxJitterMs);
    keyFrames = jumped ? [offset] : [...keyFrames, offset].slice(-keyFramesKept);
  }

  return {
    mediaMs: (timestamp) => (first === undefined ? 0 : mediaMs(timestamp)),
    offsetMs: () => (keyFrames.length > 0 ? Math.min(...keyFrames) : recent.value()),
    onKeyFrame(timestamp, arrivalMs) {
      if (first !== undefined) addKeyFrame(arrivalMs - mediaMs(timestamp));
    },
    onPacket({ sequenceNumber, timestamp }, arrivalMs, isKeyFrame) {
      if (first === undefined) {
        first = timestamp;
        last = { sequenceNumber: sequenceNumber - 1, timestamp, ms: 0, arrivalMs };
      }
      const follows = sequenceNumber === ((last.sequenceNumber + 1) & 0xffff);
      const ms = mediaMs(timestamp);
      if (kind === "audio") {
        const stepMs = ms - last.ms;
        if (follows && stepMs > 0) {
          shortestStepMs = Math.min(shortestStepMs, stepMs);
          if (stepMs <= shortestStepMs * longestStep) recent.add(last.arrivalMs - ms, arrivalMs);
        }
      } else {
        if (timestamp !== last.timestamp || last.arrivalMs === arrivalMs) recent.add(arrivalMs - ms, arrivalMs);
        if (isKeyFrame) addKeyFrame(arrivalMs - ms);
      }
      last = { sequenceNumber, timestamp, ms, arrivalMs };
    },
  };
}

/** The smallest of the values of the last one to two windows. */
function createRecentMinimum(): { add(value: number, atMs: number): void; value(): number | undefined } {
  let startMs = Number.NEGATIVE_INFINITY;
  let current = Number.POSITIVE_INFINITY;
  let before = Number.POSITIVE_INFINITY;
  return {
    add(value, atMs) {
      if (atMs - startMs >= windowMs) {
        before = current;
        current = Number.POSITIVE_INFINITY;
        startMs = atMs;
      }
      current = Math.min(current, value);
    },
    value() {
      const smallest = Math.min(current, before);
      return Number.isFinite(smallest) ? smallest : undefined;
    },
  };
}
