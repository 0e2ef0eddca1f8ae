import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFrameReader, encodeFrame, type Frame } from "../../src/webrtc/frames.ts";

const frames = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("message" as const), text: fc.string() }, { noNullPrototype: true }),
    fc.record(
      {
        kind: fc.constant("packet" as const),
        feed: fc.nat(0xffff),
        component: fc.nat(255),
        ageMs: fc.nat(0xffff),
        bytes: fc.uint8Array({ maxLength: 50 }),
      },
      { noNullPrototype: true },
    ),
  ),
);

test("frames come out as they went in, however the pipe cuts them", () => {
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 40 }), (given: readonly Frame[], size) => {
      const read: Frame[] = [];
      const push = createFrameReader((frame) => {
        read.push(frame.kind === "packet" ? { ...frame, bytes: Uint8Array.from(frame.bytes) } : frame);
      });
      const all = Buffer.concat(given.map(encodeFrame));
      for (let at = 0; at < all.length; at += size) push(all.subarray(at, at + size));
      assert.deepEqual(read, given);
    }),
  );
});

test("an age beyond what fits is the most that fits", () => {
  const read: Frame[] = [];
  createFrameReader((frame) => read.push(frame))(
    encodeFrame({ kind: "packet", feed: 1, component: 2, ageMs: 1e6, bytes: new Uint8Array(0) }),
  );
  assert.equal(read[0]?.kind === "packet" && read[0].ageMs, 0xffff);
});
