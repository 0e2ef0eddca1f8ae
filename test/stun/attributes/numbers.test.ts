import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeLifetime, encodeLifetime } from "../../../src/stun/attributes/lifetime.ts";
import { decodeUnknownAttributes, encodeUnknownAttributes } from "../../../src/stun/attributes/unknown-attributes.ts";
import { decodeUserhash, encodeUserhash } from "../../../src/stun/attributes/userhash.ts";
import { assertThrowsCode, bytesOf, reasonOf, unwrap } from "../support.ts";
import { fromHex } from "../vectors.ts";

test("LIFETIME is 32 bits of seconds", () => {
  assert.deepEqual(encodeLifetime(600), fromHex("00000258"));
  fc.assert(fc.property(fc.nat(0xffffffff), (s) => assert.equal(unwrap(decodeLifetime(encodeLifetime(s))), s)));
  for (const hex of ["", "000258", "0000000258"]) assert.equal(reasonOf(decodeLifetime(fromHex(hex))), "bad-length");
  for (const seconds of [-1, 0.5, 2 ** 32, Number.NaN]) assertThrowsCode("INTERNAL", () => encodeLifetime(seconds));
});

test("UNKNOWN-ATTRIBUTES is a list of 16 bits each", () => {
  assert.deepEqual(encodeUnknownAttributes([0x7fff, 2]), fromHex("7fff 0002"));
  const list = fc.array(fc.nat(0xffff));
  fc.assert(
    fc.property(list, (types) =>
      assert.deepEqual(unwrap(decodeUnknownAttributes(encodeUnknownAttributes(types))), types),
    ),
  );
  assert.equal(reasonOf(decodeUnknownAttributes(fromHex("7fff00"))), "odd-length");
});

test("USERHASH is 32 bytes", () => {
  fc.assert(fc.property(bytesOf(32), (hash) => assert.deepEqual(unwrap(decodeUserhash(encodeUserhash(hash))), hash)));
  for (const length of [0, 31, 33]) assert.equal(reasonOf(decodeUserhash(new Uint8Array(length))), "bad-length");
  assertThrowsCode("INTERNAL", () => encodeUserhash(new Uint8Array(20)));
});
