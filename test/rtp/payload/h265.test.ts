import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findH265ParameterSets, h265Format } from "../../../src/rtp/payload/h265.ts";
import { depacketizeNalUnits, h265Receiver, joinNalUnits } from "./depacketize.ts";

function nal(type: number, length: number, layer = 0, temporalId = 1): Uint8Array {
  const header = [(type << 1) | (layer >> 5), ((layer & 31) << 3) | temporalId];
  return Uint8Array.from({ length }, (_, i) => header[i] ?? i & 255);
}

const vps = nal(32, 5);
const sps = nal(33, 6);
const pps = nal(34, 4);
const config = {
  videoParameterSets: [vps],
  sequenceParameterSets: [sps],
  pictureParameterSets: [pps],
  lengthSize: 4,
};

test("the SDP's parameters hold the three kinds of parameter set", () => {
  const [v, s, p] = [vps, sps, pps].map((set) => Buffer.from(set).toString("base64"));
  assert.equal(h265Format(config).parameters, `sprop-vps=${v};sprop-sps=${s};sprop-pps=${p}`);
});

test("headers of aggregation and fragmentation follow RFC 7798", () => {
  const packetize = h265Format(config).packetizer(200);
  const [together] = packetize(joinNalUnits([nal(1, 4, 40, 3), nal(1, 3, 33, 2)], 4));
  // Type 48, the lowest layer (33: high bit 1, low five bits 1), the lowest temporal id.
  assert.deepEqual([...(together?.bytes.subarray(0, 4) ?? [])], [(48 << 1) | 1, (1 << 3) | 2, 0, 4]);
  const fragments = packetize(joinNalUnits([nal(1, 402, 0, 2)], 4));
  assert.deepEqual(
    fragments.map(({ bytes, marker }) => [...bytes.subarray(0, 3), bytes.length, marker]),
    [
      [49 << 1, 2, 0x81, 137, false],
      [49 << 1, 2, 0x01, 137, false],
      [49 << 1, 2, 0x41, 135, true],
    ],
  );
});

test("parameter sets stand before a random access picture that comes without, and nowhere else", () => {
  const sent = (nalUnits: readonly Uint8Array[]): Uint8Array[] => {
    const payloads = h265Format(config).packetizer(1388)(joinNalUnits(nalUnits, 4));
    return depacketizeNalUnits(
      payloads.map(({ bytes }) => bytes),
      h265Receiver,
    );
  };
  for (const type of [16, 19, 20, 21]) assert.deepEqual(sent([nal(type, 9)]), [vps, sps, pps, nal(type, 9)]);
  assert.deepEqual(sent([nal(35, 3), nal(19, 9)]), [nal(35, 3), vps, sps, pps, nal(19, 9)]);
  assert.deepEqual(sent([vps, sps, pps, nal(19, 9)]), [vps, sps, pps, nal(19, 9)]);
  assert.deepEqual(sent([nal(1, 9)]), [nal(1, 9)]);
});

test("any picture survives, within the limit, with one marker at the end", () => {
  const unit = fc
    .tuple(fc.integer({ min: 0, max: 47 }), fc.integer({ min: 2, max: 5000 }), fc.integer({ min: 0, max: 63 }))
    .filter(([type]) => type < 16 || type > 23)
    .map(([type, length, layer]) => nal(type, length, layer));
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 12 }), fc.integer({ min: 188, max: 1400 }), (nalUnits, max) => {
      const payloads = h265Format(config).packetizer(max)(joinNalUnits(nalUnits, 4));
      assert.ok(payloads.every(({ bytes }) => bytes.length <= max));
      assert.ok(payloads.every(({ marker }, i) => marker === (i === payloads.length - 1)));
      assert.deepEqual(
        depacketizeNalUnits(
          payloads.map(({ bytes }) => bytes),
          h265Receiver,
        ),
        nalUnits,
      );
    }),
  );
});

test("what RTP would take for its own packets is not sent, and nothing throws", () => {
  const packetize = h265Format(config).packetizer(188);
  assert.deepEqual(packetize(joinNalUnits([nal(48, 9), nal(49, 9), Uint8Array.of(2)], 4)), []);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void packetize(bytes)));
});

test("parameter sets are found in a stream that carries them itself", () => {
  const { lengthSize, ...sets } = config;
  assert.deepEqual(findH265ParameterSets(joinNalUnits([vps, sps, pps, nal(19, 9)], lengthSize), lengthSize), sets);
});
