import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createPacketRing } from "../../src/media/packet-ring.ts";
import { createKeyFrameCache, type KeyFrameCacheOptions, type StreamCache } from "../../src/media/stream-cache.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { rtcpPacket } from "../relay/support.ts";

/** A packet of a frame at `frame`; its payload says whether it is a key frame's. */
function rtp(sequenceNumber: number, frame: number, word: "key" | "set" | "delta" | "sound" = "delta"): Uint8Array {
  const fields = { payloadType: 96, marker: false, sequenceNumber, timestamp: frame * 3000, ssrc: 7 };
  return encodeRtp(fields, Buffer.from(word));
}

/** A cache that is told of a key start by the packet's payload. */
function filling(options: KeyFrameCacheOptions = {}): {
  readonly cache: StreamCache;
  add(component: number, bytes: Uint8Array, atMs: number): void;
  /** Sequence numbers that a newcomer gets of a component. */
  newcomer(component: number): number[] | undefined;
} {
  const cache = createKeyFrameCache(options);
  return {
    cache,
    add: (component, bytes, atMs) =>
      cache.add(component, bytes, atMs, { isKeyStart: Buffer.from(bytes.subarray(12)).toString() === "key" }),
    newcomer(component) {
      const start = cache.start(component);
      return start === undefined ? undefined : sequencesFrom(cache, component, start);
    },
  };
}

function sequencesFrom(cache: StreamCache, component: number, cursor: number): number[] {
  const found: number[] = [];
  for (let packet = cache.read(component, cursor); packet; packet = cache.read(component, packet.next))
    found.push(((packet.bytes[2] ?? 0) << 8) | (packet.bytes[3] ?? 0));
  return found;
}

test("key frames that are told only afterwards count as if they had been told at once", () => {
  const { cache, add, newcomer } = filling();
  const plain = (number: number, frame: number, word?: "set"): number =>
    cache.add(0, rtp(number, frame, word), number, { isKeyStart: false });
  plain(1, 1);
  for (const frame of [2, 3]) {
    plain(10 * frame, frame, "set");
    plain(10 * frame + 1, frame);
    cache.add(2, rtp(frame, frame, "sound"), 10 * frame + 2, { isKeyStart: false });
  }
  cache.revise(0, (bytes) => [21, 31].includes(((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)));
  assert.deepEqual(newcomer(0), [30, 31]);
  assert.deepEqual(newcomer(2), [3]);
  add(0, rtp(32, 3, "key"), 32);
  assert.deepEqual(newcomer(0), [30, 31, 32], "the unit goes on");
});

test("a newcomer begins at the parameter sets in front of the newest key frame, and reads on while packets come", () => {
  const { cache, add, newcomer } = filling();
  assert.equal(newcomer(0), undefined);
  add(0, rtp(1, 1, "key"), 0);
  for (let i = 2; i < 10; i += 1) add(0, rtp(i, i), i);
  add(0, rtp(10, 10, "set"), 10);
  add(0, rtp(11, 10, "key"), 11);
  add(0, rtp(12, 10, "key"), 12);
  add(0, rtp(13, 11), 13);
  assert.deepEqual(newcomer(0), [10, 11, 12, 13]);
  const start = cache.start(0) ?? -1;
  const second = cache.read(0, cache.read(0, start)?.next ?? -1)?.next ?? -1;
  add(0, rtp(14, 12), 14);
  assert.deepEqual(sequencesFrom(cache, 0, second), [12, 13, 14]);
});

test("a packet of the unit before that was overtaken does not cut the key frame's unit in two", () => {
  const { add, newcomer } = filling();
  add(0, rtp(65_534, 1, "key"), 0);
  add(0, rtp(0, 2, "set"), 1);
  add(0, rtp(65_535, 1), 2);
  add(0, rtp(1, 2, "key"), 3);
  assert.deepEqual(newcomer(0), [0, 65_535, 1]);
  // The same with a sender that was started again, whose numbers go back by far.
  add(0, rtp(500, 3), 4);
  add(0, rtp(1, 9, "set"), 5);
  add(0, rtp(2, 9, "key"), 6);
  assert.deepEqual(newcomer(0), [1, 2]);
});

test("sound begins where the last of the videos began; until all videos have begun there is no start", () => {
  const { cache, add, newcomer } = filling({ hasKeyFrames: (component) => component === 2 });
  add(0, rtp(1, 1, "key"), 100);
  add(4, rtp(50, 1, "sound"), 110);
  add(2, rtp(20, 1), 120);
  assert.deepEqual([newcomer(0), newcomer(2), newcomer(4)], [undefined, undefined, undefined]);
  add(4, rtp(51, 2, "sound"), 129);
  add(2, rtp(21, 2, "key"), 130);
  add(4, rtp(52, 3, "sound"), 130);
  add(0, rtp(2, 2), 140);
  assert.deepEqual([newcomer(0), newcomer(2), newcomer(4)], [[1, 2], [21], [52]]);
  add(0, rtp(3, 3, "key"), 140);
  add(4, rtp(53, 4, "sound"), 140);
  assert.deepEqual([newcomer(0), newcomer(2), newcomer(4)], [[3], [21], [53]]);
  add(1, rtcpPacket, 141);
  const later = Uint8Array.from(rtcpPacket);
  later[4] = 99;
  add(1, later, 142);
  assert.deepEqual(cache.read(1, cache.start(1) ?? -1)?.bytes, later);
  assert.equal(cache.read(1, cache.read(1, cache.start(1) ?? -1)?.next ?? -1), undefined);
});

test("without video a newcomer gets the last half second", () => {
  const { add, newcomer } = filling();
  for (let i = 0; i < 200; i += 1) add(0, rtp(i, i, "sound"), i * 20);
  assert.deepEqual(
    newcomer(0),
    Array.from({ length: 26 }, (_, i) => 174 + i),
  );
});

test("of two decodable sequences the older one stays for who reads it; the third puts it out", () => {
  const { cache, add } = filling();
  add(0, rtp(1, 1, "key"), 0);
  const early = cache.start(0) ?? -1;
  add(0, rtp(2, 2), 10);
  add(0, rtp(3, 3, "key"), 20);
  assert.deepEqual(sequencesFrom(cache, 0, early), [1, 2, 3]);
  add(0, rtp(4, 4, "key"), 30);
  assert.deepEqual(sequencesFrom(cache, 0, early), [3, 4]);
});

for (const [bound, options] of [
  ["bytes", { maxBytes: 4096 }],
  ["time", { maxMs: 60 }],
] as const) {
  test(`when the bound in ${bound} is reached there is no start until the next key frame`, () => {
    const { cache, add, newcomer } = filling(options);
    add(0, rtp(1, 1, "key"), 0);
    const start = cache.start(0) ?? -1;
    for (let i = 2; i < 200; i += 1) add(0, rtp(i, i), i);
    assert.equal(newcomer(0), undefined);
    add(2, rtp(9, 1, "sound"), 200);
    assert.equal(newcomer(2), undefined);
    const left = sequencesFrom(cache, 0, start);
    assert.equal(left.at(-1), 199);
    assert.ok(left.length > 10 && left.length < 100, `${left.length} left`);
    add(0, rtp(200, 200, "key"), 201);
    assert.deepEqual(newcomer(0), [200]);
  });
}

test("clear forgets all; cursors from before still work", () => {
  const { cache, add, newcomer } = filling();
  add(0, rtp(1, 1, "key"), 0);
  const start = cache.start(0) ?? -1;
  add(1, rtcpPacket, 1);
  cache.clear();
  assert.deepEqual([newcomer(0), newcomer(1), cache.read(0, start)], [undefined, undefined, undefined]);
  add(0, rtp(1, 1, "key"), 2);
  assert.deepEqual(newcomer(0), [1]);
  assert.deepEqual(sequencesFrom(cache, 0, start), [1]);
});

test("empty datagrams, of several lanes at one place, leave like any other", () => {
  const ring = createPacketRing(1000);
  const push = (lane: number, length: number): number => ring.push(lane, new Uint8Array(length), 0);
  push(1, 1);
  push(0, 0);
  push(1, 300);
  push(0, 400);
  push(0, 700);
  assert.deepEqual([ring.first(0), ring.next(0), ring.first(1), ring.next(1)], [2, 3, 2, 2]);
  push(1, 0);
  ring.clear();
  assert.deepEqual([ring.first(0), ring.next(0), ring.first(1), ring.next(1)], [3, 3, 3, 3]);
});

test("the ring holds the newest packets of all lanes, whole, within its bound", () => {
  const length = fc.oneof(fc.nat(90_000), fc.constant(0));
  const packet = fc.record({ lane: fc.nat(2), length, fill: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 60 }), (packets) => {
      const maxBytes = 250_000;
      const ring = createPacketRing(maxBytes);
      const pushed = packets.map(({ lane, length, fill }, atMs) => {
        const bytes = new Uint8Array(length).fill(fill);
        return { lane, id: ring.push(lane, bytes, atMs), bytes, atMs };
      });
      const kept = pushed.map(({ lane, id }) => ring.get(lane, id) !== undefined);
      const first = kept.indexOf(true);
      let room = maxBytes;
      // Exactly the newest ones that fit are there.
      for (const [i, { lane, id, bytes, atMs }] of [...pushed.entries()].reverse()) {
        room -= Math.max(bytes.length, 1) + 32;
        assert.equal(kept[i], room >= 0 && i >= first);
        if (room < 0) break;
        const found = ring.get(lane, id);
        // Not `deepEqual`: it would take hours to show in what 90,000 bytes differ.
        assert.ok(found?.atMs === atMs && Buffer.from(found.bytes).equals(bytes), `packet ${i}`);
      }
      for (const lane of [0, 1, 2]) assert.equal(ring.firstSince(lane, -1), ring.first(lane));
    }),
    { numRuns: 60 },
  );
});

test("packets from before the last key frames stay for others as long as they were promised", () => {
  const cache = createKeyFrameCache({ keptMs: 1_000 });
  const ids = Array.from({ length: 300 }, (_, i) => cache.add(0, rtp(i, i), 10 * i, { isKeyStart: true }));
  assert.equal(cache.start(0), ids[299]);
  assert.deepEqual(cache.get(0, ids[199] ?? 0), { bytes: rtp(199, 199), atMs: 1_990 });
  assert.equal(cache.get(0, ids[198] ?? 0), undefined);
});
