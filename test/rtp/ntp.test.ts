import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { middle32, ntpFromWallMs, wallMsFromNtp } from "../../src/rtp/ntp.ts";

test("the Unix epoch and RFC 3550's own example convert", () => {
  assert.deepEqual(ntpFromWallMs(0), { seconds: 2_208_988_800, fraction: 0 });
  assert.deepEqual(ntpFromWallMs(500), { seconds: 2_208_988_800, fraction: 0x80000000 });
  // RFC 3550 Figure 2: b44d:b705:2000:0000 is quoted as b705:2000.
  assert.equal(middle32({ seconds: 0xb44db705, fraction: 0x20000000 }), 0xb7052000);
});

test("a wall time survives, before and after the seconds wrap in 2036", () => {
  const times = fc.double({ min: 0, max: Date.UTC(2100, 0), noNaN: true });
  fc.assert(fc.property(times, (ms) => assert.ok(Math.abs(wallMsFromNtp(ntpFromWallMs(ms)) - ms) < 0.001)));
  assert.equal(ntpFromWallMs(Date.UTC(2036, 1, 7, 6, 28, 16)).seconds, 0);
});
