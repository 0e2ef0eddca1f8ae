import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findH264ParameterSets, h264Format } from "../../../src/rtp/payload/h264.ts";
import { depacketizeNalUnits, h264Receiver, joinNalUnits } from "./depacketize.ts";

const sps = Uint8Array.of(0x67, 0x4d, 0x40, 0x1f, 0xaa);
const pps = Uint8Array.of(0x68, 0xee, 0x3c, 0x80);
const config = { sequenceParameterSets: [sps], pictureParameterSets: [pps], lengthSize: 4 };

function nal(header: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i === 0 ? header : i & 255));
}

function pack(nalUnits: readonly Uint8Array[], maxPayload = 1388): readonly { bytes: Uint8Array; marker: boolean }[] {
  return h264Format(config).packetizer(maxPayload)(joinNalUnits(nalUnits, 4));
}

test("the SDP's parameters name mode, profile and parameter sets", () => {
  assert.equal(
    h264Format(config).parameters,
    "packetization-mode=1;profile-level-id=4D401F;sprop-parameter-sets=Z01AH6o=,aO48gA==",
  );
  const none = { ...config, sequenceParameterSets: [], pictureParameterSets: [] };
  assert.equal(h264Format(none).parameters, "packetization-mode=1");
});

test("a NAL unit that fits goes as it is, two that fit go together, a long one in fragments of even length", () => {
  const slice = nal(0x41, 500);
  assert.deepEqual(pack([slice]), [{ bytes: slice, marker: true }]);
  const [together] = pack([nal(0x06, 3), nal(0x41, 4)]);
  assert.deepEqual([...(together?.bytes ?? [])], [0x58, 0, 3, 0x06, 1, 2, 0, 4, 0x41, 1, 2, 3]);
  const fragments = pack([nal(0x65, 3000)], 1000).slice(1);
  assert.deepEqual(
    fragments.map(({ bytes, marker }) => [bytes.length, bytes[0], bytes[1], marker]),
    [
      [752, 0x7c, 0x85, false],
      [752, 0x7c, 0x05, false],
      [752, 0x7c, 0x05, false],
      [751, 0x7c, 0x45, true],
    ],
  );
});

test("parameter sets stand before an IDR picture that comes without, behind its delimiter, and nowhere else", () => {
  const idr = nal(0x65, 50);
  const delimiter = Uint8Array.of(0x09, 0xf0);
  const sent = (nalUnits: readonly Uint8Array[]): Uint8Array[] =>
    depacketizeNalUnits(
      pack(nalUnits).map(({ bytes }) => bytes),
      h264Receiver,
    );
  assert.deepEqual(sent([idr]), [sps, pps, idr]);
  assert.deepEqual(sent([delimiter, idr]), [delimiter, sps, pps, idr]);
  assert.deepEqual(sent([sps, pps, idr]), [sps, pps, idr]);
  assert.deepEqual(sent([nal(0x41, 50)]), [nal(0x41, 50)]);
});

test("any picture survives, within the limit, with one marker at the end", () => {
  const unit = fc
    .record({
      type: fc.integer({ min: 1, max: 23 }),
      nri: fc.integer({ min: 0, max: 3 }),
      length: fc.integer({ min: 1, max: 5000 }),
    })
    .filter(({ type }) => type !== 5)
    .map(({ type, nri, length }) => nal((nri << 5) | type, length));
  fc.assert(
    fc.property(
      fc.array(unit, { maxLength: 12 }),
      fc.integer({ min: 188, max: 1400 }),
      fc.constantFrom(1, 2, 4),
      (all, max, lengthSize) => {
        const nalUnits = all.filter((nalUnit) => nalUnit.length < 256 ** lengthSize);
        const payloads = h264Format({ ...config, lengthSize }).packetizer(max)(joinNalUnits(nalUnits, lengthSize));
        assert.ok(payloads.every(({ bytes }) => bytes.length <= max));
        assert.ok(payloads.every(({ marker }, i) => marker === (i === payloads.length - 1)));
        assert.deepEqual(
          depacketizeNalUnits(
            payloads.map(({ bytes }) => bytes),
            h264Receiver,
          ),
          nalUnits,
        );
      },
    ),
  );
});

test("a broken sample gives what is whole, and never throws", () => {
  const cut = joinNalUnits([nal(0x41, 10), nal(0x41, 10)], 4).subarray(0, 20);
  assert.deepEqual(
    h264Format(config)
      .packetizer(500)(cut)
      .map(({ bytes }) => bytes),
    [nal(0x41, 10)],
  );
  assert.deepEqual(pack([Uint8Array.of(0x78, 1), Uint8Array.of(0x60), new Uint8Array()]), []);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void h264Format(config).packetizer(188)(bytes)));
});

test("parameter sets are found in a stream that carries them itself", () => {
  const found = findH264ParameterSets(joinNalUnits([sps, pps, nal(0x65, 9)], 2), 2);
  assert.deepEqual(found, { sequenceParameterSets: [sps], pictureParameterSets: [pps] });
});
