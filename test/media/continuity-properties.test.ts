import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createContinuity } from "../../src/media/continuity.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { readUint16, readUint32 } from "../../src/rtp/wire.ts";
import { capture, readPcap } from "../support/captures.ts";

/** One run of a publisher, drawn at random. */
interface RunPlan {
  readonly isNewSsrc: boolean;
  readonly firstNumber: number;
  /** Where its timestamps begin, in seconds after the end of the run before. */
  readonly baseSeconds: number;
  readonly frames: number;
  /** Silence before it. */
  readonly gapMs: number;
  /** Of each packet: lost for good, asked for again and late, or swapped with the next one of its frame. */
  readonly fates: readonly ("lost" | "late" | "swapped" | "twice" | "fine")[];
}

/** A packet on its way: the payload says which one it is. */
interface Flight {
  readonly run: number;
  readonly place: number;
  readonly at: number;
  readonly isLate: boolean;
  readonly bytes: Uint8Array;
}

const packetsPerFrame = 5;
const frameMs = 40;
const ticksPerFrame = 3_600;

const fate = fc.oneof(
  { weight: 20, arbitrary: fc.constant("fine" as const) },
  fc.constantFrom("lost" as const, "late" as const, "swapped" as const, "twice" as const),
);

/** Two thirds at least arrive as they should: else a run might never show two packets that follow on each other. */
const mostArrive = (fates: readonly string[]): boolean =>
  fates.filter((each) => each !== "fine").length <= fates.length / 3;

const plans = fc.array(
  fc.record({
    isNewSsrc: fc.boolean(),
    firstNumber: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 65_535 })),
    // Not where the old run would be by now: that is an outage, and no restart.
    baseSeconds: fc.oneof(fc.integer({ min: -10_000, max: -4 }), fc.integer({ min: 15, max: 10_000 })),
    frames: fc.integer({ min: 55, max: 90 }),
    gapMs: fc.integer({ min: 50, max: 3_000 }),
    fates: fc.array(fate, { minLength: 20, maxLength: 97 }).filter(mostArrive),
  }),
  { minLength: 2, maxLength: 4 },
);

function payload(run: number, place: number): Uint8Array {
  return Uint8Array.of(run, place >> 8, place & 0xff);
}

/** What arrives, in order; `undefined` if a run would begin where the one before ended, which nobody could tell apart. */
function flightsOf(runs: readonly RunPlan[]): Flight[] | undefined {
  const flights: Flight[] = [];
  let now = 0;
  let ssrc = 1_000;
  let timestamp = 0;
  let last: number | undefined;
  for (const [run, plan] of runs.entries()) {
    if (plan.isNewSsrc) ssrc += 1;
    const distance = last === undefined ? 1_000 : ((plan.firstNumber - last) << 16) >> 16;
    if (!plan.isNewSsrc && Math.abs(distance) <= 2 * packetsPerFrame) return undefined;
    now += plan.gapMs;
    timestamp += plan.baseSeconds * 90_000;
    for (let place = 0; place < plan.frames * packetsPerFrame; place += 1) {
      const inFrame = place % packetsPerFrame;
      const mayStray = place > 0 && place < plan.frames * packetsPerFrame - 1;
      // The first packet comes, or the first number would not be known to be one of the run.
      const what = mayStray ? (plan.fates[place % plan.fates.length] ?? "fine") : "fine";
      const fields = { payloadType: 96, marker: false, sequenceNumber: (plan.firstNumber + place) & 0xffff, ssrc };
      const bytes = (): Uint8Array => encodeRtp({ ...fields, timestamp: timestamp >>> 0 }, payload(run, place));
      const swap = what === "swapped" && inFrame < packetsPerFrame - 1 ? 1.5 : 0;
      const flight = { run, place, at: now + inFrame + swap, isLate: what === "late", bytes: bytes() };
      if (what === "late") flights.push({ ...flight, at: flight.at + 600 });
      else if (what !== "lost") flights.push(flight);
      if (what === "twice") flights.push({ ...flight, at: flight.at + 0.2, bytes: bytes() });
      if (inFrame === packetsPerFrame - 1) {
        now += frameMs;
        timestamp += ticksPerFrame;
      }
      last = fields.sequenceNumber;
    }
    now -= frameMs - packetsPerFrame;
  }
  return flights.sort((a, b) => a.at - b.at);
}

test("over random runs, with loss, repair, reordering and repetition, players see one sequence that lacks nothing", () => {
  fc.assert(
    fc.property(plans, (runs) => {
      const flights = flightsOf(runs);
      if (flights === undefined) return;
      const got: { readonly run: number; readonly place: number; number: number; timestamp: number; ssrc: number }[] =
        [];
      let restarts = 0;
      const continuity = createContinuity({
        clockRateOf: () => 90_000,
        onRestart: () => {
          restarts += 1;
        },
        deliver: (_, bytes) =>
          got.push({
            run: bytes[12] ?? 0,
            place: readUint16(bytes, 13),
            ...{ number: readUint16(bytes, 2), timestamp: readUint32(bytes, 4), ssrc: readUint32(bytes, 8) },
          }),
      });
      for (const { at, bytes } of flights) {
        for (let due = continuity.wakeAt(); due <= at; due = continuity.wakeAt()) continuity.release(due);
        continuity.push(0, bytes, at);
      }
      continuity.release(Number.MAX_SAFE_INTEGER);
      assert.equal(restarts, runs.length - 1);
      const places = new Set(got.map(({ run, place }) => `${run}:${place}`));
      for (const { run, place, isLate } of flights) {
        // What is asked for again and comes after the next run has begun may be of no use any more.
        if (!isLate) assert.ok(places.has(`${run}:${place}`), `packet ${place} of run ${run}`);
      }
      assert.ok(got.every(({ ssrc }) => ssrc === got[0]?.ssrc));
      let next = got[0]?.number ?? 0;
      for (const [run] of runs.entries()) {
        const mine = got.filter((each) => each.run === run);
        const first = mine.find(({ place }) => place === 0) ?? assert.fail();
        assert.equal(first.number, next, `the first number of run ${run}`);
        for (const { place, number, timestamp } of mine) {
          assert.equal((number - first.number) & 0xffff, place);
          const frame = Math.floor(place / packetsPerFrame);
          assert.equal((timestamp - first.timestamp) >>> 0, frame * ticksPerFrame);
        }
        next = (Math.max(...mine.map(({ place }) => place)) + 1 + first.number) & 0xffff;
        const before = got.findLast((each) => each.run === run - 1 && each.place % packetsPerFrame === 4);
        if (before === undefined) continue;
        const plan = runs[run - 1] ?? assert.fail();
        const end = before.timestamp + (plan.frames - 1 - Math.floor(before.place / packetsPerFrame)) * ticksPerFrame;
        const seconds = ((first.timestamp - end) | 0) / 90_000;
        const passed = ((runs[run]?.gapMs ?? 0) + packetsPerFrame) / 1000;
        assert.ok(Math.abs(seconds - Math.max(passed, frameMs / 1000)) < 0.05, `${seconds} s for ${passed} s`);
      }
    }),
    { numRuns: 300 },
  );
});

const { path: pcap, skip } = capture("mp4box-0.8.1-h264-aac.pcap");

test("MP4Box started again after any time: numbers and times only grow, sound stays with the picture", { skip }, () => {
  const trace = readPcap(pcap);
  const rates = [90_000, 0, 48_000];
  for (const livedMs of [1_700, 5_000, 11_900]) {
    for (const gapMs of [100, 300, 2_000, 60_000]) {
      const out = new Map<number, { number: number; timestamp: number }[]>();
      const restarts: number[] = [];
      const continuity = createContinuity({
        clockRateOf: (component) => rates[component],
        onRestart: (component) => restarts.push(component),
        deliver(component, bytes) {
          const numbers = { number: readUint16(bytes, 2), timestamp: readUint32(bytes, 4) };
          out.set(component, [...(out.get(component) ?? []), numbers]);
        },
      });
      for (const startMs of [0, livedMs + gapMs]) {
        for (const { atMs, destinationPort, payload: bytes } of trace) {
          const at = startMs + atMs;
          for (let due = continuity.wakeAt(); due <= at; due = continuity.wakeAt()) continuity.release(due);
          if (atMs <= livedMs) continuity.push(destinationPort - 9_099, bytes.slice(), at);
        }
      }
      const what = `${livedMs} ms, gone for ${gapMs} ms`;
      assert.deepEqual([...restarts].sort(), [0, 2], what);
      const shifts = [0, 2].map((component) => {
        const all = out.get(component) ?? [];
        const runLength = all.length / 2;
        all.forEach(({ number }, i) => void assert.equal(number, i + 1, what));
        const highest = Math.max(...all.slice(0, runLength).map(({ timestamp }) => timestamp));
        const again = all[runLength]?.timestamp ?? 0;
        assert.ok(again > highest, `${what}: ${again} after ${highest}`);
        return (again - (all[0]?.timestamp ?? 0)) / (rates[component] ?? 1);
      });
      assert.ok(Math.abs((shifts[0] ?? 0) - (shifts[1] ?? 1)) < 1e-4, `${what}: ${shifts}`);
    }
  }
});
