import assert from "node:assert/strict";
import { test } from "node:test";
import type { ForwardingChange } from "../../src/relay/forwarding.ts";
import { createReplays, type Past, type Replays } from "../../src/server/replays.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";

const target = { local: { address: "198.51.100.1", port: 9000 }, remote: { address: "203.0.113.1", port: 7000 } };
const open: ForwardingChange = { type: "open-hole", hole: "a", component: "live/0", target };

interface Bench {
  readonly clock: FakeClock;
  readonly replays: Replays;
  /** Adds a packet to the past, as it comes. */
  add(atMs?: number): void;
  /** What was sent: when, which packet, to which port. */
  readonly sent: { atMs: number; number: number; port: number }[];
  /** Changes for the plane, in order, and what it does with the newest of them: opens the hole, is done, or fails. */
  readonly planned: ForwardingChange[];
  opened(): void;
  done(): void;
  failed(): void;
}

/** A stream of a packet every 10 ms, the first at 0; packet `start` begins a key frame. */
function createBench(start: number | undefined, count: number): Bench {
  const clock = createFakeClock((count - 1) * 10);
  const times = Array.from({ length: count }, (_, i) => i * 10);
  const sent: Bench["sent"] = [];
  const planned: ForwardingChange[] = [];
  let [opened, done, failed] = [(): void => {}, (): void => {}, (): void => {}];
  const past: Past = {
    start: () => start,
    read: (number) => {
      const atMs = times[number];
      return atMs === undefined ? undefined : { atMs, bytes: Uint8Array.of(number), next: number + 1 };
    },
  };
  const replays = createReplays({
    pastOf: (component) => (component === "live/0" ? past : undefined),
    send: ({ remote }, bytes) => void sent.push({ atMs: clock.now(), number: bytes[0] ?? -1, port: remote.port }),
    open: (change, onOpen) => {
      planned.push(change);
      return new Promise<void>((resolve, reject) => {
        opened = onOpen;
        done = resolve;
        failed = () => reject(new Error("no room"));
      });
    },
    clock,
  });
  const plane = { opened: () => opened(), done: () => done(), failed: () => failed() };
  return { clock, replays, add: (atMs = clock.now()) => void times.push(atMs), sent, planned, ...plane };
}

const numbers = ({ sent }: Bench): number[] => sent.map(({ number }) => number);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test("a newcomer gets the past at twice its speed, in order, and then joins live", async () => {
  const bench = createBench(10, 110);
  const startedAt = bench.clock.now();
  assert.deepEqual(bench.replays.take([open]), [], "the plane is not told yet");
  // While a second of past is shown, the stream goes on.
  for (let i = 0; i < 100; i += 1) {
    bench.clock.advance(10);
    bench.add();
    const shownMs = (bench.sent.at(-1)?.number ?? 10) * 10 - 100;
    assert.ok(shownMs <= (bench.clock.now() - startedAt) * 2, `${shownMs} ms shown`);
    if (i < 97) assert.equal(bench.planned.length, 0);
  }
  assert.deepEqual(bench.planned, [open]);
  assert.ok(bench.sent.length < 200, "the last ones come while the plane is busy");
  // Until the plane has opened the hole, what comes is still sent from here; then no more.
  bench.add();
  bench.opened();
  await bench.clock.advanceSettling(20);
  assert.deepEqual(numbers(bench), range(10, 211));
  bench.add();
  bench.clock.advance(100);
  assert.equal(bench.sent.length, 201);
  assert.equal(bench.replays.packets, 201);
  assert.equal(bench.replays.size, 0);
});

test("what is told after the plane has opened the hole is the plane's, however long the rest of the change takes", async () => {
  const bench = createBench(0, 1);
  bench.replays.take([open]);
  bench.clock.advance(10);
  bench.add();
  assert.deepEqual(numbers(bench), [0]);
  bench.opened();
  bench.add();
  assert.deepEqual(numbers(bench), [0, 1], "to the moment");
  assert.equal(bench.replays.size, 0);
  const moved = { ...target, remote: { ...target.remote, port: 7001 } };
  const move: ForwardingChange = { type: "move-hole", hole: "a", target: moved };
  assert.deepEqual(bench.replays.take([move]), [move]);
  bench.done();
  await bench.clock.advanceSettling(20);
  assert.deepEqual(numbers(bench), [0, 1]);
});

test("a hole that the plane fails to open is not followed any more", async () => {
  const bench = createBench(0, 1);
  bench.replays.take([open]);
  bench.clock.advance(10);
  bench.failed();
  await bench.clock.advanceSettling(20);
  assert.equal(bench.replays.size, 0);
});

test("who finds no past, or asks for another component, joins live at once", () => {
  const bench = createBench(undefined, 5);
  const other: ForwardingChange = { type: "open-hole", hole: "b", component: "live/1", target };
  const flow: ForwardingChange = { type: "clear-flow", component: "live/0" };
  assert.deepEqual(bench.replays.take([open, other, flow]), [open, other, flow]);
});

test("a hole that moves while it catches up is followed; one that closes gets no more", () => {
  const bench = createBench(0, 100);
  bench.replays.take([open]);
  bench.clock.advance(20);
  const moved = { ...target, remote: { ...target.remote, port: 7001 } };
  assert.deepEqual(bench.replays.take([{ type: "move-hole", hole: "a", target: moved }]), []);
  const before = bench.sent.length;
  bench.clock.advance(20);
  assert.deepEqual(new Set(bench.sent.slice(before).map(({ port }) => port)), new Set([7001]));
  assert.deepEqual(bench.replays.take([{ type: "close-hole", hole: "a" }]), []);
  const atEnd = bench.sent.length;
  bench.clock.advance(2_000);
  assert.equal(bench.sent.length, atEnd);
  assert.equal(bench.planned.length, 0, "the plane never heard of it");
});

test("a hole that closes while the plane opens it is closed there, too, and gets nothing more from the past", async () => {
  const bench = createBench(0, 1);
  bench.replays.take([open]);
  bench.clock.advance(10);
  assert.equal(bench.planned.length, 1);
  const close: ForwardingChange = { type: "close-hole", hole: "a" };
  assert.deepEqual(bench.replays.take([close]), [close]);
  bench.add();
  bench.opened();
  await bench.clock.advanceSettling(10);
  assert.deepEqual(numbers(bench), [0]);
});

test("a past that is given up meanwhile lets the newcomer join live", () => {
  const times = new Map(range(0, 50).map((i) => [i, i * 10]));
  const clock = createFakeClock(490);
  const planned: ForwardingChange[] = [];
  const past: Past = {
    start: () => 0,
    read: (number) => {
      const atMs = times.get(number);
      return atMs === undefined ? undefined : { atMs, bytes: Uint8Array.of(number), next: number + 1 };
    },
  };
  const replays = createReplays({
    ...{ pastOf: () => past, send() {}, clock },
    open: (change) => Promise.resolve(void planned.push(change)),
  });
  replays.take([open]);
  clock.advance(50);
  times.clear();
  clock.advance(10);
  assert.deepEqual(planned, [open]);
});

test("beyond 64 at a time newcomers join live", () => {
  const bench = createBench(0, 100);
  const holes = range(0, 70).map((i): ForwardingChange => ({ ...open, hole: `hole-${i}` }));
  assert.equal(bench.replays.take(holes).length, 6);
  bench.replays.close();
});

test("a newcomer joins live while those who catch up already get 20,000 packets a second", () => {
  const clock = createFakeClock(1_000);
  const past: Past = {
    start: () => 0,
    read: (number) => (number < 30_000 ? { atMs: number / 40, bytes: Uint8Array.of(1), next: number + 1 } : undefined),
  };
  const replays = createReplays({ pastOf: () => past, send() {}, open: () => Promise.resolve(), clock });
  assert.equal(replays.take([open]).length, 0);
  clock.advance(200);
  assert.equal(replays.take([{ ...open, hole: "b" }]).length, 0, "16,000 so far");
  clock.advance(200);
  assert.equal(replays.take([{ ...open, hole: "c" }]).length, 1);
});
