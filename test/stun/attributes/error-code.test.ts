import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeErrorCode, encodeErrorCode, stunErrorCodes } from "../../../src/stun/attributes/error-code.ts";
import { assertThrowsCode, reasonOf, unwrap } from "../support.ts";
import { fromHex } from "../vectors.ts";

test("codes are the standards'", () => {
  assert.deepEqual(Object.values(stunErrorCodes), [300, 400, 401, 403, 420, 438, 486, 500]);
  assert.deepEqual(encodeErrorCode({ code: stunErrorCodes.staleNonce, reason: "Hi" }), fromHex("00000426 4869"));
});

test("any code and reason survive, reserved bits are ignored", () => {
  const reason = fc.string({ unit: "grapheme", maxLength: 20 });
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 699 }), reason, (code, text) => {
      const bytes = encodeErrorCode({ code, reason: text });
      bytes.set([0xff, 0xff, (bytes[2] ?? 0) | 0xf8]);
      assert.deepEqual(unwrap(decodeErrorCode(bytes)), { code, reason: text });
    }),
  );
});

test("what is no error code is refused", () => {
  for (const [hex, reason] of [
    ["", "too-short"],
    ["000004", "too-short"],
    ["00000263", "bad-code"],
    ["00000700", "bad-code"],
    ["00000464", "bad-code"],
    ["00000401ff", "bad-utf8"],
    [`00000401${"61".repeat(764)}`, "too-long"],
  ] as const) {
    assert.equal(reasonOf(decodeErrorCode(fromHex(hex))), reason, hex.slice(0, 12));
  }
  assert.equal(unwrap(decodeErrorCode(fromHex(`00000401${"61".repeat(763)}`))).reason.length, 763);
  assertThrowsCode("INTERNAL", () => encodeErrorCode({ code: 299, reason: "" }));
  assertThrowsCode("INTERNAL", () => encodeErrorCode({ code: 700, reason: "" }));
  assertThrowsCode("INTERNAL", () => encodeErrorCode({ code: 400, reason: "a".repeat(128) }));
});
