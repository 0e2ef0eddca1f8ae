import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodePasswordAlgorithm,
  decodePasswordAlgorithms,
  encodePasswordAlgorithm,
  encodePasswordAlgorithms,
  type PasswordAlgorithm,
} from "../../../src/stun/attributes/password-algorithms.ts";
import { reasonOf, unwrap } from "../support.ts";
import { fromHex } from "../vectors.ts";

const parameters = new Uint8Array();

test("algorithms have IANA's numbers, parameters are padded", () => {
  const list: PasswordAlgorithm[] = [
    { algorithm: "SHA-256", parameters },
    { algorithm: 0x7777, parameters: fromHex("010203") },
    { algorithm: "MD5", parameters },
  ];
  const value = fromHex("00020000 77770003 01020300 00010000");
  assert.deepEqual(encodePasswordAlgorithms(list), value);
  assert.deepEqual(unwrap(decodePasswordAlgorithms(value)), list);
});

test("any list survives, and so does any single one", () => {
  const algorithm = fc.oneof(fc.constantFrom("MD5", "SHA-256"), fc.integer({ min: 3, max: 0xffff }));
  const entry = fc.record({ algorithm, parameters: fc.uint8Array({ maxLength: 9 }) }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(entry), (list) => {
      assert.deepEqual(unwrap(decodePasswordAlgorithms(encodePasswordAlgorithms(list))), list);
      for (const one of list) assert.deepEqual(unwrap(decodePasswordAlgorithm(encodePasswordAlgorithm(one))), one);
    }),
  );
});

test("a last entry may leave its padding to the attribute", () => {
  assert.deepEqual(unwrap(decodePasswordAlgorithms(fromHex("77770001 01"))), [
    { algorithm: 0x7777, parameters: fromHex("01") },
  ]);
});

test("cut off entries are refused, and so is any number of chosen algorithms but one", () => {
  for (const hex of ["0002", "000200", "00020001", "00020000 0001"]) {
    assert.equal(reasonOf(decodePasswordAlgorithms(fromHex(hex))), "truncated", hex);
    assert.equal(reasonOf(decodePasswordAlgorithm(fromHex(hex))), "truncated", hex);
  }
  for (const hex of ["", "00020000 00010000"]) {
    assert.equal(reasonOf(decodePasswordAlgorithm(fromHex(hex))), "not-one", hex);
  }
});
