import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeNonce, decodeNonceFeatures, encodeNonce } from "../../../src/stun/attributes/nonce.ts";
import { assertThrowsCode, reasonOf, unwrap } from "../support.ts";
import { fromHex } from "../vectors.ts";

const none = { passwordAlgorithms: false, usernameAnonymity: false };

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test("the cookie's bits are those of the standard's erratum", () => {
  const cases = [
    ["obMatJos2AAAAx", none],
    ["obMatJos2AAABx", { passwordAlgorithms: true, usernameAnonymity: false }],
    ["obMatJos2AAACx", { passwordAlgorithms: false, usernameAnonymity: true }],
    ["obMatJos2AAADx", { passwordAlgorithms: true, usernameAnonymity: true }],
  ] as const;
  for (const [text, features] of cases) {
    assert.deepEqual(encodeNonce(features, "x"), bytes(text));
    assert.deepEqual(decodeNonceFeatures(bytes(text)), features);
  }
  assert.deepEqual(decodeNonceFeatures(bytes("obMatJos2///8x")), none, "unassigned bits are ignored");
});

test("a nonce without cookie announces nothing", () => {
  for (const text of [
    "",
    "f//499k954d6OL34oL9FSTvy64sA",
    "obMatJos2",
    "obMatJos2AAA",
    "obMatJos2AA=A",
    "xobMatJos2AAAA",
  ]) {
    assert.equal(decodeNonceFeatures(bytes(text)), undefined, text);
    assert.deepEqual(unwrap(decodeNonce(bytes(text))), { features: undefined, token: text });
  }
  assert.equal(decodeNonceFeatures(fromHex("ff")), undefined);
});

test("any token survives", () => {
  const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,114}$/);
  fc.assert(
    fc.property(token, fc.boolean(), fc.boolean(), (given, passwordAlgorithms, usernameAnonymity) => {
      const features = { passwordAlgorithms, usernameAnonymity };
      const value = encodeNonce(features, given);
      assert.ok(value.length < 128);
      assert.deepEqual(unwrap(decodeNonce(value)), { features, token: given });
    }),
  );
});

test("what is no nonce is refused", () => {
  assert.equal(reasonOf(decodeNonce(new Uint8Array(764).fill(0x61))), "too-long");
  assert.equal(reasonOf(decodeNonce(fromHex("61ff"))), "bad-utf8");
  for (const token of ["", "a".repeat(115), 'a"', "a\\", "\u00e9", "\n"]) {
    assertThrowsCode("INTERNAL", () => encodeNonce(none, token));
  }
});
