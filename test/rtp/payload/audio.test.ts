import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aacFormat } from "../../../src/rtp/payload/aac.ts";
import { decodeAudioSpecificConfig } from "../../../src/rtp/payload/audio-specific-config.ts";
import { opusFormat } from "../../../src/rtp/payload/opus.ts";

const stereo = { audioSpecificConfig: Uint8Array.of(0x11, 0x90), sampleRate: 48_000, channels: 2 };

test("the SDP's parameters of AAC are those of RFC 3640's AAC-hbr", () => {
  const format = aacFormat(stereo);
  assert.deepEqual([format.encodingName, format.clockRate, format.channels], ["mpeg4-generic", 48_000, 2]);
  assert.match(format.parameters, /mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190$/);
});

test("an AAC frame has one AU header, and is cut where it does not fit", () => {
  const [only] = aacFormat(stereo).packetizer(1388)(Uint8Array.of(7, 8, 9));
  assert.deepEqual(only, { bytes: Uint8Array.of(0, 16, 0, 3 << 3, 7, 8, 9), marker: true });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 8191 }), fc.integer({ min: 188, max: 1400 }), (frame, max) => {
      const payloads = aacFormat(stereo).packetizer(max)(frame);
      assert.ok(payloads.every(({ bytes }) => bytes.length <= max && bytes.length > 4));
      assert.ok(payloads.every(({ marker }, i) => marker === (i === payloads.length - 1)));
      for (const { bytes } of payloads) {
        assert.deepEqual([bytes[0], bytes[1]], [0, 16]);
        assert.equal(((bytes[2] ?? 0) << 5) | ((bytes[3] ?? 0) >> 3), frame.length);
        assert.equal((bytes[3] ?? 0) & 7, 0);
      }
      assert.deepEqual(Uint8Array.from(payloads.flatMap(({ bytes }) => [...bytes.subarray(4)])), frame);
    }),
  );
});

test("an AAC frame is cut from the first byte on that does not fit", () => {
  const lengths = (frameLength: number): number[] =>
    aacFormat(stereo)
      .packetizer(204)(new Uint8Array(frameLength))
      .map(({ bytes }) => bytes.length);
  assert.deepEqual(lengths(200), [204]);
  assert.deepEqual(lengths(201), [105, 104]);
  assert.deepEqual(lengths(400), [204, 204]);
});

test("AAC frames that no AU header can describe are left out", () => {
  const packetize = aacFormat(stereo).packetizer(1388);
  assert.deepEqual(packetize(new Uint8Array()), []);
  assert.deepEqual(packetize(new Uint8Array(8192)), []);
});

test("Opus goes as it is, always as opus/48000/2", () => {
  const packet = Uint8Array.of(0xfc, 1, 2);
  for (const channels of [1, 2]) {
    const format = opusFormat(channels);
    assert.deepEqual([format.encodingName, format.clockRate, format.channels], ["opus", 48_000, 2]);
    assert.equal(format.parameters, channels === 2 ? "sprop-stereo=1" : "");
    assert.deepEqual(format.packetizer(188)(packet), [{ bytes: packet, marker: false }]);
    assert.deepEqual(format.packetizer(188)(new Uint8Array()), []);
  }
});

test("an AudioSpecificConfig is read in all its notations", () => {
  const read = (...bytes: number[]): unknown => decodeAudioSpecificConfig(Uint8Array.from(bytes));
  assert.deepEqual(read(0x12, 0x10), { ok: true, value: { objectType: 2, sampleRate: 44_100, channels: 2 } });
  assert.deepEqual(read(0x11, 0xb8), { ok: true, value: { objectType: 2, sampleRate: 48_000, channels: 8 } });
  // Object type 39 by escape: 11111 000111, index 3, two channels.
  assert.deepEqual(read(0xf8, 0xe6, 0x40), { ok: true, value: { objectType: 39, sampleRate: 48_000, channels: 2 } });
  // Index 15 and 24 bits of 50000 Hz, mono.
  assert.deepEqual(read(0x17, 0x80, 0x61, 0xa8, 0x08), {
    ok: true,
    value: { objectType: 2, sampleRate: 50_000, channels: 1 },
  });
  assert.deepEqual(read(0x12), { ok: false, reason: "too-short" });
  assert.deepEqual(read(0x16, 0x90), { ok: false, reason: "reserved-sample-rate" });
  assert.deepEqual(read(0x12, 0x40), { ok: false, reason: "reserved-channels" });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => void decodeAudioSpecificConfig(bytes)));
});
