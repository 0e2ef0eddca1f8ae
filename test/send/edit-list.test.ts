import assert from "node:assert/strict";
import { test } from "node:test";
import { applyEdits, type Edit } from "../../src/send/edit-list.ts";
import type { MediaSample } from "../../src/send/media.ts";

/** Ten samples of 100 ticks at 1000 ticks a second, the last two shown in reverse. */
const samples: MediaSample[] = Array.from({ length: 10 }, (_, i) => {
  return { offset: i, size: 1, dts: i * 100, cts: (i === 8 ? 9 : i === 9 ? 8 : i) * 100, duration: 100 };
});

function apply(...edits: Edit[]): { shift: number; count: number } {
  const { shiftSeconds, samples: kept } = applyEdits(edits, samples, 1000, 600);
  return { shift: shiftSeconds, count: kept.length };
}

test("no list and a list of pauses change nothing", () => {
  assert.deepEqual(apply(), { shift: 0, count: 10 });
  assert.deepEqual(apply({ duration: 600, mediaTime: -1 }), { shift: 0, count: 10 });
});

test("pauses delay, and the beginning is moved to zero while what lies before it is kept", () => {
  assert.deepEqual(apply({ duration: 0, mediaTime: 200 }), { shift: -0.2, count: 10 });
  const pauses = [300, 600].map((duration) => ({ duration, mediaTime: -1 }));
  assert.deepEqual(apply(...pauses, { duration: 0, mediaTime: 500 }), { shift: 1, count: 10 });
});

test("what is decoded after the end is cut, unless the end needs it or a second edit follows", () => {
  // 0.3 s from 0.2 s on: to the sample at 500, which is there for the tick of rounding.
  assert.equal(apply({ duration: 180, mediaTime: 200 }).count, 6);
  // To 0.85 s: the sample shown at 800 is decoded last.
  assert.equal(apply({ duration: 510, mediaTime: 0 }).count, 10);
  assert.equal(apply({ duration: 180, mediaTime: 200 }, { duration: 60, mediaTime: 0 }).count, 10);
});
