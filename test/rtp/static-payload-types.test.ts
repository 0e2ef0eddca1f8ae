import assert from "node:assert/strict";
import { test } from "node:test";
import { staticPayloadType } from "../../src/rtp/static-payload-types.ts";

test("static payload types have the rates of RFC 3551", () => {
  const expected: [number, number | undefined][] = [
    [0, 8000],
    [8, 8000],
    [9, 8000],
    [6, 16_000],
    [10, 44_100],
    [14, 90_000],
    [16, 11_025],
    [17, 22_050],
    [26, 90_000],
    [33, 90_000],
    [2, undefined],
    [96, undefined],
  ];
  for (const [payloadType, rate] of expected)
    assert.equal(staticPayloadType(payloadType)?.clockRate, rate, `${payloadType}`);
});

test("MPEG-TS and stereo PCM have their names", () => {
  assert.deepEqual(staticPayloadType(33), { codec: "MP2T", clockRate: 90_000 });
  assert.deepEqual(staticPayloadType(10), { codec: "L16", clockRate: 44_100, channels: 2 });
});
