import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RtpPacket } from "../../../src/rtp/header.ts";
import { createAccessUnitTracker } from "../../../src/rtp/payload/access-unit-tracker.ts";
import { rtpPackets } from "../../support/fixtures.ts";

const delimiter = [0x09, 0xf0];
const sps = [0x67, 0x64, 0, 0x1e];
const idr = [0x65, 0x88, 0x84];
const slice = [0x41, 0x9a, 0x21];

function packet(sequenceNumber: number, timestamp: number, payload: readonly number[]): RtpPacket {
  const fields = { payloadType: 96, marker: false, ssrc: 1, headerLength: 12, paddingLength: 0 };
  return { ...fields, sequenceNumber: sequenceNumber & 0xffff, timestamp, payload: Uint8Array.from(payload) };
}

function keyFrames(packets: readonly RtpPacket[]): number[] {
  const tracker = createAccessUnitTracker("H264");
  return packets.flatMap((each) => {
    const { keyFrame, firstSequenceNumber } = tracker.onPacket(each);
    return keyFrame ? [firstSequenceNumber] : [];
  });
}

test("a key frame begins with the delimiter and the parameter sets that share its timestamp", () => {
  const first = 65_534;
  const stream = [slice, delimiter, sps, idr, slice, idr].map((payload, i) =>
    packet(first + i, i === 0 ? 1000 : i < 4 ? 4000 : 7000 + i, payload),
  );
  assert.deepEqual(keyFrames(stream), [65_535, 3]);
});

test("a key frame of many slices or fragments is said once", () => {
  const fragments = [0x85, 0x05, 0x45].map((fu, i) => packet(10 + i, 500, [0x7c, fu, 0x88]));
  assert.deepEqual(keyFrames([...fragments, packet(13, 500, idr), packet(14, 900, slice)]), [10]);
});

test("overtaken packets neither begin a unit nor hide where one began", () => {
  const stream = [packet(1, 100, slice), packet(3, 200, idr), packet(2, 200, sps), packet(5, 300, slice)];
  const tracker = createAccessUnitTracker("H264");
  assert.deepEqual(
    stream
      .map((each) => tracker.onPacket(each))
      .map((at) => [at.startsUnit, at.keyFrame, at.late, at.firstSequenceNumber]),
    [
      [true, false, false, 1],
      [true, true, false, 3],
      [false, false, true, 2],
      [true, false, false, 5],
    ],
  );
  assert.equal(tracker.onPacket(packet(4, 200, idr)).startsUnit, false);
  assert.equal(tracker.onPacket(packet(6, 300, slice)).firstSequenceNumber, 5);
});

test("a sender that starts again is followed at once", () => {
  const stream = [packet(40_000, 900_000, slice), packet(1, 100, sps), packet(2, 100, idr)];
  assert.deepEqual(keyFrames(stream), [1]);
});

test("a real stream's key frames begin at the packet with the parameter sets", () => {
  const packets = rtpPackets("ffmpeg-h264");
  const found = keyFrames(packets);
  assert.ok(found.length >= 2);
  for (const at of found) {
    const first = packets.find(({ sequenceNumber }) => sequenceNumber === at);
    assert.equal(first?.payload[0], 0x18, "STAP-A of SPS and PPS");
  }
});

test("any order of any packets is followed without complaint", () => {
  const each = fc.record({
    sequenceNumber: fc.nat(65_535),
    timestamp: fc.nat(5),
    payload: fc.uint8Array({ maxLength: 8 }),
  });
  fc.assert(
    fc.property(fc.array(each, { maxLength: 50 }), (packets) => {
      keyFrames(packets.map((p) => packet(p.sequenceNumber, p.timestamp, [...p.payload])));
    }),
  );
});
