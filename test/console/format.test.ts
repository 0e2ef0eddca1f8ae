import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatBitrate,
  formatCodec,
  formatCount,
  formatDuration,
  formatMs,
  formatNumber,
  formatShare,
} from "../../src/console/model/format.ts";

/** With plain spaces, which are easier to read here. */
const plain = (text: string): string => text.replaceAll("\u00a0", " ");

test("bitrates have one to three digits before the point, and a unit", () => {
  const written = [0, 950, 999.4, 999.6, 96_400, 999_600, 2_412_000, 24_120_000, 241_200_000, 4e9, -1];
  assert.deepEqual(
    written.map((bits) => plain(formatBitrate(bits))),
    [
      ...["0 bit/s", "950 bit/s", "999 bit/s", "1 kbit/s", "96 kbit/s", "1.00 Mbit/s", "2.41 Mbit/s", "24.1 Mbit/s"],
      ...["241 Mbit/s", "4.00 Gbit/s", "0 bit/s"],
    ],
  );
  fc.assert(
    fc.property(fc.double({ min: 0, max: 9.99e11, noNaN: true }), (bits) => {
      assert.match(plain(formatBitrate(bits)), /^\d{1,3}(\.\d{1,2})? [kMG]?bit\/s$/);
    }),
  );
});

test("a share that is not nothing is never shown as nothing", () => {
  const shares = [undefined, 0, 0.0004, 0.001, 0.0244, 0.31, 1, 2];
  assert.deepEqual(
    shares.map((share) => plain(formatShare(share))),
    ["–", "0 %", "< 0.1 %", "0.1 %", "2.4 %", "31 %", "100 %", "100 %"],
  );
});

test("durations have the two largest units, without zeros", () => {
  const seconds = [0, 12, 60, 185, 3_600, 9_605, 273_600, 86_400];
  assert.deepEqual(
    seconds.map((each) => plain(formatDuration(each * 1_000))),
    ["0 s", "12 s", "1 min", "3 min 5 s", "1 h", "2 h 40 min", "3 d 4 h", "1 d"],
  );
});

test("counts, milliseconds and codecs", () => {
  assert.equal(formatCount(1_234_567), "1,234,567");
  assert.deepEqual([undefined, 0.42, 9.96, 120.4].map(formatMs).map(plain), ["–", "0.4 ms", "10 ms", "120 ms"]);
  assert.deepEqual(
    [formatNumber(1, "viewer", "viewers"), formatNumber(0, "viewer", "viewers")],
    ["1 viewer", "0 viewers"],
  );
  assert.deepEqual(["H264/90000", "opus/48000/2", "MPEG-TS"].map(formatCodec), ["H264", "opus", "MPEG-TS"]);
});
