import assert from "node:assert/strict";
import { test } from "node:test";
import { createClockRateEstimator } from "../../src/rtp/clock-rate.ts";

interface Frame {
  readonly timestamp: number;
  readonly arrivalMs: number;
}

/** Feeds the frames; returns the rate and when it was decided, in ms. */
function decide(frames: Iterable<Frame>): { rate: number | undefined; afterMs: number } {
  const estimator = createClockRateEstimator();
  let afterMs = Number.POSITIVE_INFINITY;
  for (const { timestamp, arrivalMs } of frames) {
    estimator.onPacket(timestamp >>> 0, arrivalMs);
    if (estimator.rate() !== undefined) afterMs = Math.min(afterMs, arrivalMs);
  }
  return { rate: estimator.rate(), afterMs };
}

/** A repeatable sequence of numbers in [0, 1). */
function createNoise(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function* every(intervalMs: number, seconds: number, at: (i: number) => Frame): Generator<Frame> {
  for (let i = 0; i * intervalMs < seconds * 1000; i += 1) yield at(i);
}

test("audio of every usual rate is recognized within seconds, through jitter and a timestamp wrap", () => {
  for (const rate of [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 90_000, 96_000]) {
    const noise = createNoise();
    const frames = every(20, 6, (i) => ({
      timestamp: 0xffffff00 + Math.round((i * rate) / 50),
      arrivalMs: i * 20 + noise() * 15,
    }));
    const { rate: found, afterMs } = decide(frames);
    assert.equal(found, rate);
    assert.ok(afterMs >= 1000 && afterMs < 3000, `${rate} decided after ${afterMs} ms`);
  }
});

test("B-frames and bursts of packets do not fool it", () => {
  const order = [0, 3, 1, 2];
  for (const fps of [24, 25, 30, 60]) {
    const noise = createNoise();
    const frames = Array.from({ length: fps * 12 }, (_, i) => i).flatMap((i) => {
      const shown = i - (i % 4) + (order[i % 4] ?? 0);
      const arrivalMs = (i * 1000) / fps + noise() * 10;
      return Array.from({ length: 1 + (i % 12) * 4 }, (_packet, k) => ({
        timestamp: (shown * 90_000) / fps,
        arrivalMs: arrivalMs + k * 0.2,
      }));
    });
    assert.equal(decide(frames).rate, 90_000, `${fps} frames a second`);
  }
});

test("a burst at the start, as a cached keyframe makes one, delays the decision and does not falsify it", () => {
  const frames = every(40, 20, (i) => ({ timestamp: i * 3600, arrivalMs: Math.max(0, i - 25) * 40 + i * 0.1 }));
  assert.equal(decide(frames).rate, 90_000);
});

test("a queue that fills up does not make 44.1 of 48 kHz", () => {
  const frames = every(21.333, 10, (i) => ({ timestamp: i * 1024, arrivalMs: i * 21.333 + Math.min(90, i * 1.7) }));
  assert.equal(decide(frames).rate, 48_000);
});

test("it stays undecided before 1 s, and for a rate that nobody uses", () => {
  assert.equal(decide(every(20, 0.99, (i) => ({ timestamp: i * 960, arrivalMs: i * 20 }))).rate, undefined);
  assert.equal(decide(every(20, 10, (i) => ({ timestamp: i * 740, arrivalMs: i * 20 }))).rate, undefined);
  assert.equal(decide(every(20, 10, () => ({ timestamp: 5, arrivalMs: 0 }))).rate, undefined);
});

test("a pause or a new start of the timestamps begins the evidence anew", () => {
  const frames = [
    ...every(20, 0.8, (i) => ({ timestamp: i * 960, arrivalMs: i * 20 })),
    ...every(20, 3, (i) => ({ timestamp: 0x80000000 + i * 960, arrivalMs: 820 + i * 20 })),
  ];
  assert.equal(decide(frames).rate, 48_000);
  const paused = [
    ...every(20, 0.8, (i) => ({ timestamp: i * 960, arrivalMs: i * 20 })),
    ...every(20, 3, (i) => ({ timestamp: 40_000 + i * 960, arrivalMs: 60_000 + i * 20 })),
  ];
  assert.equal(decide(paused).rate, 48_000);
});
