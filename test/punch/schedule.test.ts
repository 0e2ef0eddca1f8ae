import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { explainRefusal, usernameFor } from "../../src/punch/credentials.ts";
import { jittered, retryDelayMs } from "../../src/punch/schedule.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

test("jitter is a factor of 0.8 to 1.2", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const value = jittered(5_000, createSeededRandom(seed));
      assert.ok(value >= 4_000 && value < 6_000);
    }),
  );
});

test("retries double from 500 ms and stay below 2.5 s, for any number of them", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 100_000 }), (seed, attempt) => {
      const delay = retryDelayMs(attempt, createSeededRandom(seed));
      const middle = Math.min(2_500 / 1.2, 500 * 2 ** (attempt - 1));
      assert.ok(delay >= middle * 0.8 - 1e-6 && delay <= middle * 1.2 + 1e-6 && delay <= 2_500);
    }),
  );
});

test("the username is the stream, or the time-limited one for the role", () => {
  const url = { host: "h", port: 9000, stream: "live", key: "k" };
  assert.equal(usernameFor(url, "viewer"), "live");
  assert.equal(usernameFor({ ...url, expires: 5 }, "viewer"), "5:live");
  assert.equal(usernameFor({ ...url, expires: 5 }, "publisher"), "5:live:publish");
});

test("every refusal says what to do", () => {
  for (const code of [400, 401, 486]) assert.match(explainRefusal(code, "x"), /check|full|update/);
  assert.match(explainRefusal(500, "Server Error"), /500 Server Error/);
});
