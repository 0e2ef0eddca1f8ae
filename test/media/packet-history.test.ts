import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createPacketHistory } from "../../src/media/packet-history.ts";
import { mediaSsrc, packet } from "./support.ts";

test("finds what came within the time, by SSRC and number", () => {
  const history = createPacketHistory();
  history.add(packet(65_535), 0);
  history.add(packet(0), 10);
  history.add(packet(0, { ssrc: 7, length: 50 }), 20);
  history.add(Buffer.from("not RTP"), 20);
  assert.deepEqual(history.find(mediaSsrc, 65_535, 20), packet(65_535));
  assert.deepEqual(history.find(mediaSsrc, 0, 20), packet(0), "behind the other source's packet of the same number");
  assert.equal(history.find(7, 0, 20)?.length, 50);
  assert.equal(history.find(7, 65_535, 20), undefined);
  assert.equal(history.find(mediaSsrc, 65_535, 1_001), undefined, "too old");
  assert.equal(history.find(mediaSsrc, 0, 1_001)?.length, 100);
});

test("a sender that begins anew overwrites its old numbers", () => {
  const history = createPacketHistory();
  for (let number = 1; number <= 50; number += 1) history.add(packet(number), number);
  for (let number = 1; number <= 10; number += 1) history.add(packet(number, { length: 60 }), 100 + number);
  assert.equal(history.find(mediaSsrc, 5, 111)?.length, 60);
  assert.equal(history.find(mediaSsrc, 40, 111)?.length, 100);
});

test("the largest datagram fits, and one larger than the ring is left out", () => {
  const history = createPacketHistory({ maxBytes: 65_507 + 32 });
  history.add(packet(1, { length: 65_507 }), 0);
  assert.equal(history.find(mediaSsrc, 1, 0)?.length, 65_507);
  history.add(packet(2, { length: 65_508 }), 0);
  assert.equal(history.find(mediaSsrc, 2, 0), undefined);
});

test("a packet that lies just where the ring is left early goes, and what is behind it is not overwritten unseen", () => {
  const history = createPacketHistory({ maxBytes: 1_000 });
  for (const [i, length] of [400, 400, 200, 400, 400, 300].entries()) history.add(packet(i + 1, { length }), 0);
  assert.equal(history.find(mediaSsrc, 3, 0), undefined);
  assert.equal(history.find(mediaSsrc, 4, 0), undefined);
  assert.deepEqual(history.find(mediaSsrc, 5, 0), packet(5, { length: 400 }));
  assert.deepEqual(history.find(mediaSsrc, 6, 0), packet(6, { length: 300 }));
});

test("like a list that drops its oldest packets: what is found is whole, and the newest are there", () => {
  const step = fc.record({
    number: fc.oneof(fc.nat(5), fc.integer({ min: 65_530, max: 65_535 }), fc.nat(65_535)),
    ssrc: fc.integer({ min: 1, max: 3 }),
    length: fc.integer({ min: 12, max: 700 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1_000, max: 5_000 }), (steps, maxBytes) => {
      const history = createPacketHistory({ maxBytes });
      const model: Uint8Array[] = [];
      for (const { number, ...fields } of steps) {
        const bytes = packet(number, { ...fields, timestamp: model.length });
        history.add(bytes, 0);
        model.push(bytes);
        assert.deepEqual(history.find(fields.ssrc, number, 0), bytes, "the newest");
        // Each packet costs 32 bytes beside its own.
        let room = maxBytes;
        const kept = model.findLastIndex((packet) => {
          room -= packet.length + 32;
          return room < 0;
        });
        const sure = model.slice(kept + 1);
        for (const each of steps.slice(0, model.length)) {
          const newest = model.findLast((_, i) => steps[i]?.number === each.number && steps[i]?.ssrc === each.ssrc);
          const found = history.find(each.ssrc, each.number, 0);
          if (found !== undefined || (newest && sure.includes(newest))) assert.deepEqual(found, newest);
        }
      }
    }),
    { numRuns: 60 },
  );
});
