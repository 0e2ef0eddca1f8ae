import assert from "node:assert/strict";
import { test } from "node:test";
import { randomUnit } from "../../src/core/random.ts";
import { answerNack } from "../../src/media/answer-nack.ts";
import { createGapTracker } from "../../src/media/gap-tracker.ts";
import { createPacketHistory } from "../../src/media/packet-history.ts";
import { createReorderBuffer } from "../../src/media/reorder-buffer.ts";
import { createRepairBudget } from "../../src/media/repair-budget.ts";
import { createRateMeter } from "../../src/rtp/rate-meter.ts";
import { readUint32 } from "../../src/rtp/wire.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { mediaSsrc, packet } from "./support.ts";

interface Path {
  /** 0-1, of everything that crosses, in both directions. */
  readonly loss: number;
  readonly rttMs: number;
  readonly latencyMs: number;
}

interface Result {
  /** 0-1, of the packets sent. */
  readonly residual: number;
  readonly overhead: number;
  readonly inOrder: boolean;
}

const packetCount = 30_000;
/** The stream has run for a second when its viewer comes. */
const secondsPackets = 500;

/** A minute of a 4 Mbit/s stream, in bursts of 20 packets every 40 ms, over a lossy path with 1 ms of jitter. */
function repaired({ loss, rttMs, latencyMs }: Path): Result {
  const random = createSeededRandom(7);
  const clock = createFakeClock();
  const history = createPacketHistory();
  const rate = createRateMeter();
  const budget = createRepairBudget({ rate });
  const tracker = createGapTracker({ deadlineMs: latencyMs });
  tracker.noteRtt(rttMs);
  const times: number[] = [];
  const buffer = createReorderBuffer({ latencyMs, deliver: (bytes) => times.push(readUint32(bytes, 4)) });
  let repairs = 0;
  let cancel = (): void => {};

  const cross = (task: () => void): void => {
    if (randomUnit(random) >= loss) clock.schedule(rttMs / 2 + randomUnit(random), task);
  };
  function receive(bytes: Uint8Array, number: number): void {
    const now = clock.now();
    tracker.onPacket(mediaSsrc, number & 0xffff, readUint32(bytes, 4), now);
    buffer.push(bytes, now);
    run();
  }
  function run(): void {
    const now = clock.now();
    buffer.release(now);
    for (const { ssrc, sequenceNumbers } of tracker.take(now)) {
      cross(() => answer(ssrc, sequenceNumbers));
    }
    cancel();
    const wakeAt = Math.min(tracker.wakeAt(), buffer.wakeAt());
    cancel = wakeAt === Number.POSITIVE_INFINITY ? () => {} : clock.schedule(wakeAt - now, run);
  }
  function answer(ssrc: number, sequenceNumbers: readonly number[]): void {
    const send = (view: Uint8Array): void => {
      const bytes = view.slice();
      repairs += 1;
      cross(() => receive(bytes, (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0)));
    };
    answerNack({ type: "nack", senderSsrc: 1, mediaSsrc: ssrc, sequenceNumbers }, clock.now(), {
      ...{ history, budget, send },
    });
  }
  for (let number = -secondsPackets; number < packetCount; number += 1) {
    if (number % 20 === 0) clock.advance(32);
    clock.advance(0.4);
    const bytes = packet(number, { timestamp: number * 180, length: 100 });
    history.add(bytes, clock.now());
    rate.onPacket(bytes.length, clock.now());
    if (number >= 0) cross(() => receive(bytes, number));
  }
  clock.advance(5_000);
  return {
    residual: 1 - new Set(times).size / packetCount,
    overhead: repairs / (packetCount + secondsPackets),
    // Two packets have to follow on each other before anything is known to be in order.
    inOrder: times.every((time, i) => i < 20 || time > (times[i - 1] ?? 0)),
  };
}

const percent = (share: number): string => `${(share * 100).toFixed(4)} %`;

for (const { path, residual, overhead } of [
  { path: { loss: 0.05, rttMs: 2, latencyMs: 40 }, residual: 0.0001, overhead: 0.08 },
  { path: { loss: 0.2, rttMs: 2, latencyMs: 40 }, residual: 0.005, overhead: 0.25 },
  { path: { loss: 0.05, rttMs: 30, latencyMs: 200 }, residual: 0.0001, overhead: 0.08 },
  { path: { loss: 0.2, rttMs: 30, latencyMs: 300 }, residual: 0.005, overhead: 0.25 },
]) {
  const { loss, rttMs, latencyMs } = path;
  test(`${loss * 100} % of loss both ways, ${rttMs} ms there and back, ${latencyMs} ms allowed`, (t) => {
    const got = repaired(path);
    t.diagnostic(`residual loss ${percent(got.residual)}, overhead ${percent(got.overhead)}`);
    assert.ok(got.residual < residual, percent(got.residual));
    assert.ok(got.overhead <= overhead, percent(got.overhead));
    assert.ok(got.inOrder || got.residual > 0, "in order");
  });
}

test("a path that only reorders costs next to nothing", () => {
  const { residual, overhead, inOrder } = repaired({ loss: 0, rttMs: 10, latencyMs: 40 });
  assert.ok(residual === 0 && inOrder);
  assert.ok(overhead < 0.001, percent(overhead));
});
