import assert from "node:assert/strict";
import { test } from "node:test";
import { createRateMeter } from "../../src/rtp/rate-meter.ts";

test("the meter knows the last second", () => {
  const meter = createRateMeter();
  for (let now = 5_000; now < 8_000; now += 10) meter.onPacket(100, now);
  assert.equal(meter.totalBytes(), 30_000);
  for (const [now, bytes] of [
    ...[[8_000, 10_000] as const, [8_250, 7_500] as const],
    ...[[8_500, 5_000] as const, [9_000, 0] as const, [60_000, 0] as const],
  ]) {
    assert.equal(meter.bytesPerSecond(now), bytes);
  }
});

test("a packet counts at once, and leaves bit by bit when it is a second old", () => {
  const meter = createRateMeter();
  meter.onPacket(1_000, 50);
  assert.equal(meter.bytesPerSecond(50), 1_000);
  assert.equal(meter.bytesPerSecond(999), 1_000);
  assert.equal(meter.bytesPerSecond(1_075), 250);
  assert.equal(meter.bytesPerSecond(1_100), 0);
});
