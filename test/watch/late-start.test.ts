import assert from "node:assert/strict";
import { test } from "node:test";
import { createKeyFrameCache } from "../../src/media/stream-cache.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { createLateStart } from "../../src/watch/late-start.ts";
import { rtcpPacket } from "../relay/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";

/** A frame of its own. */
const rtpPacket = (sequenceNumber: number): Uint8Array =>
  encodeRtp(
    { payloadType: 96, marker: true, sequenceNumber, timestamp: sequenceNumber * 450, ssrc: 7 },
    new Uint8Array(100),
  );

/** A stream whose component 0 has a key frame every `keyEvery` packets, and a player that may listen or not. */
function stage(keyEvery = 50, isKnownVideo = false) {
  const clock = createFakeClock();
  const cache = createKeyFrameCache({ hasKeyFrames: (component) => isKnownVideo && component === 0 });
  const got: [component: number, sequence: number][] = [];
  const listening = new Set<number>();
  let sequence = 0;
  let roomBytes = 1 << 20;
  let refusals = 0;
  const late = createLateStart({
    cache,
    clock,
    room: async () => roomBytes,
    send(component, bytes) {
      if (listening.has(component)) got.push([component, ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)]);
      else {
        refusals += 1;
        // The system tells of it a little later.
        clock.schedule(1, () => late.refused(component));
      }
    },
  });
  return {
    cache,
    late,
    listening,
    refusals: () => refusals,
    setRoom: (bytes: number) => {
      roomBytes = bytes;
    },
    of: (component: number) => got.filter(([of]) => of === component).map(([, number]) => number),
    /** A packet every 5 ms on each of the components, for `count` times 5 ms. */
    async stream(count: number, components: readonly number[] = [0]) {
      for (let i = 0; i < count; i += 1) {
        sequence += 1;
        for (const component of components) {
          const bytes = component % 2 === 1 ? rtcpPacket : rtpPacket(sequence);
          const isKeyStart = component === 0 && sequence % keyEvery === 0;
          cache.add(component, bytes, clock.now(), { isKeyStart });
          late.deliver(component, bytes);
        }
        await clock.advanceSettling(5);
      }
    },
    clock,
  };
}

const count = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test("a player that comes late gets all since the key frame, once and in order, and is live soon", async () => {
  const { stream, listening, of, late } = stage();
  await stream(120);
  assert.deepEqual(of(0), []);
  listening.add(0);
  await stream(20);
  assert.deepEqual(of(0).slice(0, 30), count(100, 129));
  assert.deepEqual(of(0), count(100, 140), "live: the last packet has come at once");
  late.close();
});

test("a player that goes is noticed, and the next one begins at a key frame again", async () => {
  const { stream, listening, of, late } = stage();
  listening.add(0);
  await stream(60);
  listening.clear();
  await stream(60);
  const before = of(0).length;
  listening.add(0);
  await stream(10);
  assert.deepEqual(of(0).slice(before), count(100, 130));
  late.close();
});

test("without a key frame in the cache packets go out as they come; a key frame later changes nothing for who listens", async () => {
  const { stream, listening, of, cache, late } = stage(20);
  cache.add(0, rtpPacket(0), 0, { isKeyStart: true });
  cache.clear();
  listening.add(0);
  await stream(45);
  assert.deepEqual(of(0), count(1, 45));
  late.close();
});

test("a key frame that shows only with its second packet does not come twice to who listens already", async () => {
  const { listening, of, cache, clock, late } = stage(50, true);
  listening.add(0);
  for (const [number, isKeyStart] of [
    [1, false],
    [2, true],
    [3, false],
  ] as const) {
    const fields = { payloadType: 96, marker: number === 3, sequenceNumber: number, timestamp: 450, ssrc: 7 };
    const bytes = encodeRtp(fields, new Uint8Array(100));
    cache.add(0, bytes, clock.now(), { isKeyStart });
    late.deliver(0, bytes);
  }
  await clock.advanceSettling(100);
  assert.deepEqual(of(0), [1, 2, 3]);
  late.close();
});

test("sound begins with the picture, even if its port opens after the next key frame", async () => {
  const { stream, listening, of, late } = stage(50);
  await stream(140, [0, 2]);
  listening.add(0);
  await stream(17, [0, 2]);
  listening.add(2);
  await stream(10, [0, 2]);
  assert.deepEqual(of(0), count(100, 167));
  assert.deepEqual(of(2), count(100, 167));
  late.close();
});

test("reports go straight through, and the last one is given to a player that comes late", async () => {
  const { stream, listening, of, late } = stage();
  await stream(60, [0, 1]);
  listening.add(0).add(1);
  await stream(1, [0, 1]);
  assert.equal(of(1).length, 1);
  await stream(6, [0]);
  assert.equal(of(1).length, 2);
  late.close();
});

test("no faster than the player's buffers have room for; but faster than the stream", async () => {
  const { stream, listening, of, setRoom, late } = stage(200);
  await stream(240);
  setRoom(0);
  listening.add(0);
  await stream(4);
  assert.ok(of(0).length <= 12, `${of(0).length} packets into a buffer that was told to be full`);
  await stream(60);
  assert.ok(of(0).length > 100 || of(0).at(-1) === 300, `only ${of(0).length} packets`);
  late.close();
});

test("when the cache loses what a player is still to get, it is live from there, and gets nothing twice", async () => {
  const { stream, listening, of, setRoom, cache, late } = stage(200);
  await stream(210);
  setRoom(0);
  listening.add(0);
  await stream(5);
  cache.clear();
  await stream(20);
  assert.equal(new Set(of(0)).size, of(0).length);
  assert.deepEqual(of(0).slice(-20), count(216, 235));
  late.close();
});

test("while nobody listens it asks 50 times a second; when all is live nothing is scheduled", async () => {
  const { stream, listening, refusals, clock, late } = stage();
  await stream(50);
  const before = refusals();
  await clock.advanceSettling(1_000);
  assert.ok(refusals() - before <= 50 && refusals() - before >= 30, `${refusals() - before} times`);
  listening.add(0);
  await clock.advanceSettling(100);
  // A clock without tasks: advancing runs nothing.
  const sent = refusals();
  await clock.advanceSettling(60_000);
  assert.equal(refusals(), sent);
  late.close();
});
