/** Decides how far into the stream packets may leave, from the time and the oldest packet still waiting. Pure. */
export interface Pace {
  /**
   * Milliseconds of stream time: packets due up to there leave now. `oldestMs` is when the oldest waiting packet is due.
   * After a stall of more than `longestStallMs` the stream goes on where it was, later from then on.
   */
  release(nowMs: number, oldestMs: number): number;
  /** Milliseconds until `release` should be asked about the packet due at `dueMs`. */
  delay(nowMs: number, dueMs: number): number;
  /** The stream's time in milliseconds; may lie before 0. */
  position(nowMs: number): number;
}

/**
 * Lateness that is let pass in one go. Timers are late by 1-4 ms on a busy machine, garbage collection takes about as much
 * as this at times; more would let through bursts that overflow a receiver's socket buffer.
 */
const slackMs = 15;

/** A late stream catches up in steps of so much stream time, one each `catchUpEveryMs`: at twice its rate. */
const catchUpStepMs = 10;
const catchUpEveryMs = 5;

/**
 * A pause longer than this (the process was stopped, the disk slept) is not made up for: players would have run dry
 * anyway, and making up for a minute would send at twice the rate for a minute. Shorter ones leave players' buffers intact.
 */
const longestStallMs = 1000;

/** A pace that begins (stream time 0) at `startMs` of the clock. */
export function createPace(startMs: number): Pace {
  let startedAt = startMs;
  return {
    release: (nowMs, oldestMs) => {
      const late = nowMs - startedAt - oldestMs;
      if (late > longestStallMs) startedAt += late;
      else if (late > slackMs) return oldestMs + catchUpStepMs;
      return nowMs - startedAt;
    },
    delay: (nowMs, dueMs) => {
      const wait = dueMs - (nowMs - startedAt);
      return wait < 0 ? catchUpEveryMs : wait;
    },
    position: (nowMs) => nowMs - startedAt,
  };
}
