import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readAv1Payload } from "../../../src/rtp/payload/av1-inspector.ts";
import { inspectPayload } from "../../../src/rtp/payload/inspect.ts";
import { h264Layout, readNalPayload } from "../../../src/rtp/payload/nal-payload.ts";
import type { RtpPayload } from "../../../src/rtp/payload/packetizer.ts";
import { createRecutter } from "../../../src/rtp/payload/recut.ts";
import { readVp8Descriptor } from "../../../src/rtp/payload/vp8-inspector.ts";
import { readVp9Descriptor } from "../../../src/rtp/payload/vp9-inspector.ts";

const max = 100;
const body = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + 1) & 0xff);
const join = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
const markers = (payloads: readonly RtpPayload[]): boolean[] => payloads.map(({ marker }) => marker);

/** The NAL units that H.264 payloads hold, put together again. */
function nalUnitsOf(payloads: readonly RtpPayload[]): Buffer[] {
  const units: Buffer[] = [];
  let open: Uint8Array[] = [];
  for (const { bytes } of payloads) {
    const read = readNalPayload(bytes, h264Layout);
    assert.ok(read.ok);
    if (read.value.form === "whole") units.push(...read.value.nalUnits.map((unit) => Buffer.from(unit)));
    else {
      if (read.value.first) open = [h264Layout.originalHeader(bytes)];
      open.push(read.value.body);
      if (read.value.last) units.push(join(open));
    }
  }
  return units;
}

test("H.264: what is too large is cut into fragments of the same NAL units, the marker on the last", () => {
  const recut = createRecutter("h264", max);
  const unit = Uint8Array.of(0x65, ...body(350));
  const cut = recut(unit, true);
  assert.ok(cut.length > 3 && cut.every(({ bytes }) => bytes.length <= max));
  assert.deepEqual(nalUnitsOf(cut), [Buffer.from(unit)]);
  assert.deepEqual(markers(cut), [...Array.from({ length: cut.length - 1 }, () => false), true]);
  assert.deepEqual(
    markers(recut(unit, false)),
    cut.map(() => false),
  );
  const small = Uint8Array.of(0x41, 1, 2);
  assert.deepEqual(recut(small, true), [{ bytes: small, marker: true }]);
  assert.deepEqual(recut(Uint8Array.of(0x9f, 1), true), []);
});

test("H.264: fragments and aggregates that are too large are cut again", () => {
  const recut = createRecutter("H264", max);
  const whole = Buffer.concat([Uint8Array.of(0x65), body(500)]);
  const fragments = [0, 1].flatMap((i) => {
    const piece = whole.subarray(1).subarray(i * 250, (i + 1) * 250);
    return recut(Uint8Array.of(0x7c, 0x05 | (i === 0 ? 0x80 : 0x40), ...piece), i === 1);
  });
  assert.ok(fragments.length >= 6 && fragments.every(({ bytes }) => bytes.length <= max));
  assert.deepEqual(nalUnitsOf(fragments), [whole]);
  const units = [Uint8Array.of(0x67, ...body(60)), Uint8Array.of(0x68, ...body(60)), Uint8Array.of(0x65, ...body(130))];
  const aggregate = Buffer.concat([
    Uint8Array.of(0x78),
    ...units.flatMap((unit) => [Uint8Array.of(unit.length >> 8, unit.length), unit]),
  ]);
  const cut = recut(aggregate, true);
  assert.ok(cut.every(({ bytes }) => bytes.length <= max));
  assert.deepEqual(
    nalUnitsOf(cut),
    units.map((unit) => Buffer.from(unit)),
  );
});

test("VP8: picture numbers go, only the first piece begins the partition", () => {
  const data = body(250);
  const cut = createRecutter("VP8", max)(Uint8Array.of(0x90, 0xe0, 0x80, 1, 2, 3, ...data), true);
  const read = cut.map(({ bytes }) => {
    const descriptor = readVp8Descriptor(bytes);
    assert.ok(descriptor.ok);
    return { ...descriptor.value, data: bytes.subarray(descriptor.value.length) };
  });
  assert.deepEqual(
    read.map(({ startsPartition }) => startsPartition),
    [true, false, false],
  );
  assert.ok(read.every(({ pictureId, length }) => pictureId === undefined && length === 1));
  assert.deepEqual(join(read.map((each) => each.data)), Buffer.from(data));
  assert.deepEqual(markers(cut), [false, false, true]);
});

test("VP9: each frame says whether it needs others, also if its sender does not", () => {
  const recut = createRecutter("VP9", max);
  const keyFrame = Uint8Array.of(0x82, 0x49, ...body(150));
  const inter = Uint8Array.of(0x86, 0x49, ...body(150));
  const descriptors = [keyFrame, inter].flatMap((data) =>
    recut(Uint8Array.of(0x8c, 0x12, ...data), true).map(({ bytes }) => {
      const read = readVp9Descriptor(bytes);
      assert.ok(read.ok);
      const { interPredicted, startsFrame, endsFrame, pictureId } = read.value;
      assert.equal(pictureId, undefined);
      return [interPredicted, startsFrame, endsFrame];
    }),
  );
  assert.deepEqual(descriptors, [
    [false, true, false],
    [false, false, true],
    [true, true, false],
    [true, false, true],
  ]);
});

test("AV1: elements are cut with Z and Y, N stays on the first, temporal delimiters go", () => {
  const frame = Uint8Array.of(0x30, ...body(250));
  const sequence = Uint8Array.of(0x08, 1, 2, 3);
  const payload = Uint8Array.of(0x38, 2, 0x10, 0, sequence.length, ...sequence, ...frame);
  const cut = createRecutter("AV1", max)(payload, true);
  const read = cut.map(({ bytes }) => {
    const value = readAv1Payload(bytes);
    assert.ok(value.ok && bytes.length <= max);
    return value.value;
  });
  assert.deepEqual(
    read.map(({ continues, continued, newSequence }) => [continues, continued, newSequence]),
    [
      [false, false, true],
      [false, true, false],
      [true, true, false],
      [true, false, false],
    ],
  );
  assert.deepEqual(join(read.slice(1).flatMap(({ elements }) => [...elements])), Buffer.from(frame));
});

test("any bytes: nothing throws, nothing is larger than asked for, and cutting twice is cutting once", () => {
  const codecs = ["H264", "H265", "VP8", "VP9", "AV1"] as const;
  fc.assert(
    fc.property(
      fc.constantFrom(...codecs),
      fc.uint8Array({ maxLength: 700 }),
      fc.boolean(),
      (codec, payload, marker) => {
        const cut = createRecutter(codec, max)(payload, marker);
        const again = createRecutter(codec, max);
        for (const [i, { bytes, marker: isMarked }] of cut.entries()) {
          assert.ok(bytes.length <= max);
          assert.equal(isMarked, marker && i === cut.length - 1);
          if (codec !== "H264" && codec !== "H265") assert.ok(again(bytes, false).length <= 1);
          assert.ok(inspectPayload(codec, bytes).ok || codec === "AV1" || codec === "VP9" || codec === "VP8");
        }
      },
    ),
  );
});

test("what cannot be cut passes as it is", () => {
  const sound = body(300);
  assert.deepEqual(createRecutter("opus", max)(sound, true), [{ bytes: sound, marker: true }]);
});
