import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createNonceKeeper, nonceSlotMs } from "../../src/relay/nonce.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { host } from "./support.ts";

const source = host(1);
const keeper = (seed = 1) => createNonceKeeper(createSeededRandom(seed));

test("a nonce is fresh for one to two slots, never longer", () => {
  fc.assert(
    fc.property(fc.nat(10 * 3_600_000), fc.nat(3 * nonceSlotMs), (issuedAt, age) => {
      const nonces = keeper();
      const fresh = nonces.isFresh(nonces.issue(source, issuedAt), source, issuedAt + age);
      const slots = Math.floor((issuedAt + age) / nonceSlotMs) - Math.floor(issuedAt / nonceSlotMs);
      assert.equal(fresh, slots <= 1);
      if (age <= nonceSlotMs) assert.ok(fresh);
      if (age >= 2 * nonceSlotMs) assert.ok(!fresh);
    }),
  );
});

test("a nonce is bound to address and port", () => {
  const nonces = keeper();
  const token = nonces.issue(source, 0);
  assert.ok(nonces.isFresh(token, source, 0));
  assert.ok(!nonces.isFresh(token, host(2), 0));
  assert.ok(!nonces.isFresh(token, host(1, source.port + 1), 0));
});

test("a nonce outlives the rotation of the secret by its own slot only", () => {
  const nonces = keeper();
  const hour = 3_600_000;
  const token = nonces.issue(source, hour - 1);
  assert.ok(nonces.isFresh(token, source, hour + nonceSlotMs - 1));
  assert.ok(!nonces.isFresh(token, source, hour + nonceSlotMs));
  assert.ok(!nonces.isFresh(token, source, 2 * hour - 1));
});

test("every hour has a secret of its own", () => {
  let drawn = 0;
  const random = createSeededRandom(1);
  const nonces = createNonceKeeper({
    bytes: (length) => {
      drawn += 1;
      return random.bytes(length);
    },
  });
  for (let now = 3_600_000; now < 24 * 3_600_000; now += nonceSlotMs) nonces.issue(source, now);
  assert.equal(drawn, 23);
});

test("what another relay issued, or nobody, is not fresh", () => {
  const nonces = keeper();
  assert.ok(!nonces.isFresh(keeper(2).issue(source, 0), source, 0));
  fc.assert(fc.property(fc.string(), (token) => assert.ok(!nonces.isFresh(token, source, 0))));
  const genuine = nonces.issue(source, 0);
  for (let i = 0; i < genuine.length; i += 1) {
    const forged = `${genuine.slice(0, i)}${genuine[i] === "A" ? "Q" : "A"}${genuine.slice(i + 1)}`;
    assert.ok(!nonces.isFresh(forged, source, 0), forged);
  }
});
