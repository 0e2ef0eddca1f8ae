import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRateLimiter } from "../../src/relay/rate-limiter.ts";

test("a burst goes through at once, then the rate", () => {
  const limiter = createRateLimiter({ ratePerSecond: 10, burst: 4 });
  const take = (now: number): boolean => limiter.take("a", now);
  assert.deepEqual([take(0), take(0), take(0), take(0), take(0)], [true, true, true, true, false]);
  assert.equal(take(99), false);
  assert.equal(take(100), true);
  assert.equal(take(100), false);
});

test("a long rest saves up no more than one burst", () => {
  const limiter = createRateLimiter({ ratePerSecond: 10, burst: 4 });
  limiter.take("a", 0);
  const taken = Array.from({ length: 10 }, () => limiter.take("a", 3_600_000)).filter(Boolean);
  assert.equal(taken.length, 4);
});

test("asking whether there is a token takes none", () => {
  const limiter = createRateLimiter({ ratePerSecond: 1, burst: 2 });
  for (let i = 0; i < 5; i += 1) assert.ok(limiter.allows("a", 0));
  limiter.take("a", 0);
  assert.ok(limiter.allows("a", 0));
  limiter.take("a", 0);
  assert.ok(!limiter.allows("a", 999));
  assert.ok(limiter.allows("a", 1_000));
});

test("a key's tokens are its own", () => {
  const limiter = createRateLimiter({ ratePerSecond: 1, burst: 1 });
  assert.ok(limiter.take("a", 0));
  assert.ok(!limiter.take("a", 0));
  assert.ok(limiter.take("b", 0));
});

test("never more than burst + rate × time, however the requests come", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat(500), { maxLength: 200 }),
      (ratePerSecond, burst, gaps) => {
        const limiter = createRateLimiter({ ratePerSecond, burst });
        let now = 0;
        let taken = 0;
        for (const gap of gaps) {
          now += gap;
          if (limiter.take("a", now)) taken += 1;
        }
        assert.ok(taken <= burst + (now * ratePerSecond) / 1000 + 1e-6);
        assert.ok(taken >= Math.min(gaps.length, burst));
      },
    ),
  );
});

test("memory is bounded: the key unused longest is forgotten first", () => {
  const limiter = createRateLimiter({ ratePerSecond: 0.001, burst: 1, maxKeys: 3 });
  for (const key of ["a", "b", "c"]) limiter.take(key, 0);
  assert.ok(!limiter.take("a", 1), "a is remembered, and is now the one used last");
  assert.ok(limiter.take("d", 2));
  assert.ok(!limiter.take("a", 3), "a is still remembered");
  assert.ok(limiter.take("b", 4), "b made way for d");
});
