import assert from "node:assert/strict";
import { test } from "node:test";
import { createStallDetector, stallMs } from "../../src/watch/stall-detector.ts";

test("before the first packet nothing has stopped", () => {
  const stalls = createStallDetector();
  assert.deepEqual(stalls.silent(1e6), []);
  assert.equal(stalls.stalled(1e6), false);
  assert.equal(stalls.silenceMs(1e6), undefined);
});

test("a second of silence is a stall, told once, until media is back", () => {
  const stalls = createStallDetector();
  assert.equal(stalls.onMedia(0, 0), undefined);
  assert.equal(stalls.stalled(stallMs - 1), false);
  assert.equal(stalls.stalled(stallMs), true);
  assert.equal(stalls.stalled(stallMs + 1), false);
  assert.equal(stalls.silenceMs(1_500), 1_500);
  assert.equal(stalls.onMedia(0, 2_500), 2_500);
  assert.equal(stalls.onMedia(0, 2_600), undefined);
  assert.equal(stalls.stalled(3_600), true, "and can stall again");
});

test("each component that went silent is named once", () => {
  const stalls = createStallDetector();
  stalls.onMedia(0, 0);
  stalls.onMedia(2, 500);
  assert.deepEqual(stalls.silent(999), []);
  assert.deepEqual(stalls.silent(1_000), [0]);
  assert.deepEqual(stalls.silent(1_500), [2]);
  assert.deepEqual(stalls.silent(9_000), []);
  stalls.onMedia(0, 9_000);
  assert.deepEqual(stalls.silent(10_000), [0]);
});

test("one component that goes on keeps the stream from being stalled", () => {
  const stalls = createStallDetector();
  stalls.onMedia(0, 0);
  stalls.onMedia(2, 900);
  assert.deepEqual(stalls.silent(1_100), [0]);
  assert.equal(stalls.stalled(1_100), false);
});
