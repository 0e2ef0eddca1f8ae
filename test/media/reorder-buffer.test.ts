import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createReorderBuffer, type ReorderBuffer } from "../../src/media/reorder-buffer.ts";
import { numberOf, packet } from "./support.ts";

function rig(
  latencyMs: number,
): ReorderBuffer & { readonly out: number[]; come(now: number, ...numbers: number[]): void } {
  const out: number[] = [];
  const buffer = createReorderBuffer({ latencyMs, deliver: (bytes) => out.push(numberOf(bytes)) });
  return {
    ...buffer,
    out,
    come(now, ...numbers) {
      for (const number of numbers) buffer.push(packet(number), now);
    },
  };
}

test("without loss nothing waits; what is missing is waited for, and no longer than allowed", () => {
  const { out, come, release, wakeAt, counters } = rig(40);
  come(0, 65_534, 65_535);
  assert.deepEqual(out, [65_534, 65_535]);
  assert.equal(wakeAt(), Number.POSITIVE_INFINITY);
  come(10, 65_537, 65_538);
  come(20, 65_539, 65_539);
  assert.equal(wakeAt(), 50);
  come(30, 65_536);
  assert.deepEqual(out.splice(0), [65_534, 65_535, 0, 1, 2, 3]);
  come(40, 65_542, 65_541);
  come(45, 65_544);
  release(79);
  assert.deepEqual(out, []);
  release(80);
  assert.deepEqual(out.splice(0), [5, 6]);
  assert.equal(wakeAt(), 85);
  release(85);
  come(90, 65_540, 65_545);
  assert.deepEqual(out, [8, 4, 9], "too late for its place, but handed on");
  assert.deepEqual(counters(), { duplicates: 1, late: 1 });
});

test("without latency packets go straight through, less the duplicates", () => {
  const { out, come, wakeAt, counters } = rig(0);
  come(0, 1, 2, 5, 4, 4, 5, 3);
  assert.deepEqual(out, [1, 2, 5, 4, 3]);
  assert.equal(wakeAt(), Number.POSITIVE_INFINITY);
  assert.equal(counters().duplicates, 2);
});

for (const latencyMs of [0, 40]) {
  test(`with ${latencyMs} ms, a sender that begins anew passes at once, with the very same packets too`, () => {
    const { out, come } = rig(latencyMs);
    for (let number = 1; number <= 300; number += 1) come(number * 10, number);
    out.length = 0;
    come(5_000, 1, 2, 3);
    assert.deepEqual(out.splice(0), [1, 2, 3]);
    come(5_010, 3, 4, 6, 5, 7);
    assert.deepEqual(out, latencyMs === 0 ? [4, 6, 5, 7] : [4, 5, 6, 7], "and is then a sequence as any other");
  });
}

test("a new sequence or source lets go what the old one held", () => {
  const { out, come, push } = rig(1_000);
  come(0, 1, 2, 4);
  come(10, 40_000, 40_001);
  assert.deepEqual(out.splice(0), [1, 2, 40_000, 4, 40_001]);
  come(20, 40_003);
  push(packet(9, { ssrc: 1 }), 30);
  assert.deepEqual(out, [40_003, 9]);
});

test("what is not RTP passes, and so does what only looks like it", () => {
  const out: Uint8Array[] = [];
  const buffer = createReorderBuffer({ latencyMs: 100, deliver: (bytes) => out.push(bytes) });
  const text = Buffer.from("not RTP");
  const header = packet(7);
  for (const bytes of [text, text, header, header, header]) buffer.push(bytes, 0);
  assert.equal(out.length, 5);
});

test("a bounded number of packets waits", () => {
  const { out, come } = rig(1e6);
  come(0, 1, 2);
  for (let number = 4; number < 4 + 2_049; number += 1) come(1, number);
  assert.equal(out.length, 2 + 2_049);
});

test("each packet leaves once; in order if all come within the latency; none waits longer", () => {
  const arrival = fc.record({ delayMs: fc.nat(60), copies: fc.integer({ min: 0, max: 2 }) });
  const start = fc.nat(65_535);
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 120 }), start, fc.constantFrom(30, 62), (arrivals, first, latencyMs) => {
      const { out, come, release, wakeAt, counters } = rig(latencyMs);
      come(0, first, first + 1);
      const events = arrivals
        .flatMap(({ delayMs, copies }, i) =>
          Array.from({ length: copies }, (_, copy) => ({
            at: i * 2 + delayMs + copy,
            number: first + 2 + i,
          })),
        )
        .sort((a, b) => a.at - b.at);
      for (const { at, number } of events) {
        for (let wake = wakeAt(); wake <= at; wake = wakeAt()) release(wake);
        come(at, number);
        assert.ok(wakeAt() > at);
      }
      for (let wake = wakeAt(); wake < Number.POSITIVE_INFINITY; wake = wakeAt()) release(wake);
      const whole = arrivals.flatMap(({ copies }, i) => (copies > 0 ? [(first + 2 + i) & 0xffff] : []));
      const expected = [first, (first + 1) & 0xffff, ...whole];
      assert.equal(out.length, expected.length);
      if (latencyMs > 61) assert.deepEqual(out, expected);
      else assert.deepEqual(new Set(out), new Set(expected));
      assert.equal(counters().duplicates, events.length - whole.length);
    }),
  );
});
