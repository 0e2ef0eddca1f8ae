import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createGapTracker, type GapTracker, type GapTrackerOptions } from "../../src/media/gap-tracker.ts";

interface Rig extends GapTracker {
  /** Packets of SSRC 1 that come one after the other at `now`; numbers go on beyond 65535. */
  come(now: number, ...numbers: number[]): void;
  /** Every number asked for at `now`. */
  asked(now: number): number[];
}

function rig(options: GapTrackerOptions = {}): Rig {
  const tracker = createGapTracker(options);
  return {
    ...tracker,
    come: (now, ...numbers) => {
      for (const number of numbers) tracker.onPacket(1, number & 0xffff, number * 90, now);
    },
    asked: (now) => tracker.take(now).flatMap(({ sequenceNumbers }) => sequenceNumbers),
  };
}

test("asks at once, again after one and a half round trips, until the deadline", () => {
  const { come, asked, noteRtt, wakeAt, counters } = rig({ deadlineMs: 100 });
  noteRtt(20);
  come(0, 65_533, 65_534);
  assert.equal(wakeAt(), Number.POSITIVE_INFINITY);
  come(1, 65_537);
  assert.deepEqual(asked(1), [65_535, 0], "in order over the wrap");
  assert.deepEqual(asked(2), []);
  assert.equal(wakeAt(), 31);
  assert.deepEqual(asked(31), [65_535, 0]);
  come(31, 65_535);
  const times = [];
  for (let now = 32; now < 300; now += 1) if (asked(now).length > 0) times.push(now);
  assert.deepEqual(times, [34, 61, 64, 91, 94], "said twice when it was in vain, and not after 101");
  assert.deepEqual(counters(), { requested: 2, repaired: 1, tries: 6, lost: 1 });
  assert.equal(wakeAt(), Number.POSITIVE_INFINITY);
});

test("asks so many times at most, and not within 10 ms", () => {
  const { come, asked, noteRtt } = rig({ maxTries: 3 });
  noteRtt(1);
  come(0, 1, 2, 4);
  const times = [];
  for (let now = 0; now < 1_000; now += 1) if (asked(now).length > 0) times.push(now);
  assert.deepEqual(times, [0, 10, 13, 20, 23]);
});

test("who answers reads at most one request every 2 ms, whatever is lost", () => {
  const { come, asked, wakeAt } = rig();
  come(0, 1, 2, 4);
  assert.deepEqual(asked(0), [3]);
  come(1, 6);
  come(1.5, 8);
  assert.deepEqual([wakeAt(), asked(1.9), asked(2)], [2, [], [5, 7]]);
});

test("where packets overtake each other it waits as long as they do, or for three later packets", () => {
  const { come, asked, counters } = rig();
  come(0, 1, 2, 4);
  come(4, 3);
  come(20, 5, 6, 8);
  assert.deepEqual(asked(25), []);
  assert.deepEqual(asked(26), [7]);
  come(60, 7);
  come(200, 10, 11);
  assert.deepEqual(asked(200), []);
  come(201, 12);
  assert.deepEqual(asked(201), [9]);
  assert.equal(counters().requested, 2);
});

test("an answer to a later request shows that an earlier one was lost", () => {
  const { come, asked, noteRtt } = rig();
  noteRtt(100);
  come(0, 1, 2, 4);
  assert.deepEqual(asked(0), [3]);
  come(10, 6);
  assert.deepEqual(asked(10), [5]);
  come(110, 5);
  assert.deepEqual(asked(110), [3], "instead of at 150");
});

test("a new sequence is not missing what lies between, nor what the old one lacked", () => {
  const { come, asked, counters } = rig();
  come(0, 500, 501, 503);
  come(5_000, 1, 2, 3);
  assert.deepEqual(asked(5_000), []);
  come(5_001, 30_000, 30_001);
  assert.deepEqual(asked(5_001), []);
  come(5_002, 30_003);
  assert.deepEqual(asked(5_002), [30_002]);
  assert.equal(counters().lost, 1);
});

test("one packet from nowhere changes nothing", () => {
  const { come, asked } = rig();
  come(0, 500, 501, 503, 30_000);
  assert.deepEqual(asked(0), [502]);
});

test("nothing is asked for before two numbers have followed on each other", () => {
  const { come, asked } = rig();
  come(0, 7, 9, 50, 3, 3, 3, 3, 8, 9);
  assert.deepEqual(asked(0), []);
});

test("an outage costs bounded memory, and requests of a bounded size", () => {
  const { come, take, counters } = rig();
  come(0, 1, 2, 2_503);
  const requests = take(0);
  assert.deepEqual(
    requests.map(({ sequenceNumbers }) => sequenceNumbers.length),
    [256, 256],
  );
  assert.equal(requests[1]?.sequenceNumbers.at(-1), 2_502);
  assert.equal(counters().lost, 2_500 - 512);
});

test("sources that share a port do not disturb each other", () => {
  const tracker = createGapTracker();
  for (const number of [1, 2, 3, 5]) {
    tracker.onPacket(7, number, 0, 0);
    tracker.onPacket(8, 1_000 + number, 0, 0);
  }
  assert.deepEqual(tracker.take(0), [
    { ssrc: 7, sequenceNumbers: [4] },
    { ssrc: 8, sequenceNumbers: [1_004] },
  ]);
});

test("asks for what is missing and for nothing else, and never sleeps over a gap", () => {
  const run = fc.record({ start: fc.nat(65_535), lost: fc.array(fc.boolean(), { minLength: 5, maxLength: 200 }) });
  fc.assert(
    fc.property(run, ({ start, lost }) => {
      const { come, asked, wakeAt } = rig();
      come(0, start, start + 1);
      const open = new Set<number>();
      lost.forEach((isLost, i) => {
        if (isLost) return;
        come(i, start + 2 + i);
        for (let back = i - 1; back >= 0 && lost[back]; back -= 1) open.add((start + 2 + back) & 0xffff);
        const numbers = asked(i);
        for (const each of numbers) assert.ok(open.has(each));
      });
      if (open.size > 0) assert.ok(wakeAt() < Number.POSITIVE_INFINITY);
      for (let now = lost.length; wakeAt() < Number.POSITIVE_INFINITY; now += 1) {
        assert.ok(now < 3_000);
        for (const each of asked(now)) assert.ok(open.has(each));
      }
    }),
  );
});
