import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as text from "../../../src/stun/attributes/text.ts";
import { prepareOpaqueString } from "../../../src/stun/opaque-string.ts";
import { assertThrowsCode, reasonOf, unwrap } from "../support.ts";
import { fromHex } from "../vectors.ts";

const { decodeRealm, decodeSoftware, decodeUsername, encodeRealm, encodeSoftware, encodeUsername } = text;

test("texts survive, user names and realms in their prepared form", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), (given) => {
      assert.equal(unwrap(decodeSoftware(encodeSoftware(given))), given);
      const prepared = prepareOpaqueString(given);
      fc.pre(prepared !== undefined);
      assert.equal(unwrap(decodeUsername(encodeUsername(given))), prepared);
      assert.equal(unwrap(decodeRealm(encodeRealm(given))), prepared);
    }),
  );
  assert.equal(unwrap(decodeUsername(new TextEncoder().encode("e\u0301\u00a0x"))), "\u00e9 x");
});

test("senders keep to the standard's limits", () => {
  assert.equal(encodeUsername("\u30de".repeat(169)).length, 507);
  assert.equal(encodeUsername("a".repeat(508)).length, 508);
  assertThrowsCode("BAD_OPTION", () => encodeUsername("a".repeat(509)));
  assertThrowsCode("BAD_OPTION", () => encodeUsername("\u30de".repeat(170)));
  for (const encode of [encodeRealm, encodeSoftware]) {
    assert.equal(encode("\u{1f600}".repeat(127)).length, 508);
    assertThrowsCode("BAD_OPTION", () => encode("a".repeat(128)));
  }
});

test("receivers take 763 bytes and no more", () => {
  for (const decode of [decodeUsername, decodeRealm, decodeSoftware]) {
    assert.equal(unwrap(decode(new Uint8Array(763).fill(0x61))).length, 763);
    assert.equal(reasonOf(decode(new Uint8Array(764).fill(0x61))), "too-long");
  }
});

test("what is no UTF-8 or no OpaqueString is refused", () => {
  for (const hex of ["ff", "c080", "eda080", "e383", "f4908080"]) {
    for (const decode of [decodeUsername, decodeRealm, decodeSoftware]) {
      assert.equal(reasonOf(decode(fromHex(hex))), "bad-utf8", hex);
    }
  }
  for (const given of ["", "a\u0000", "a\u00ad", "\ufeffa"]) {
    for (const decode of [decodeUsername, decodeRealm]) {
      assert.equal(reasonOf(decode(new TextEncoder().encode(given))), "bad-characters", JSON.stringify(given));
    }
    assertThrowsCode("BAD_OPTION", () => encodeUsername(given));
    assertThrowsCode("BAD_OPTION", () => encodeRealm(given));
  }
});
