import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodePunch, encodePunch, type Punch, punchLength } from "../../../src/stun/attributes/punch.ts";
import { assertThrowsCode, bytesOf, reasonOf, unwrap } from "../support.ts";
import { fromHex } from "../vectors.ts";

const session = "0123456789abcdef";

const anyPunch: fc.Arbitrary<Punch> = fc.record(
  {
    role: fc.constantFrom("viewer", "publisher"),
    component: fc.nat(255),
    session: bytesOf(8).map((bytes) => Buffer.from(bytes).toString("hex")),
    components: fc.nat(255),
    publisherLive: fc.boolean(),
  },
  { noNullPrototype: true },
);

test("the layout is the documented one", () => {
  const request = encodePunch({ role: "viewer", component: 3, session }, 4);
  assert.deepEqual(request, fromHex("10 03 00 00 0123456789abcdef 00000000"));
  const response = encodePunch({ role: "publisher", component: 0, session, components: 4, publisherLive: true });
  assert.deepEqual(response, fromHex("11 00 04 01 0123456789abcdef"));
});

test("any punch survives, with any padding and unknown flags", () => {
  fc.assert(
    fc.property(anyPunch, fc.uint8Array({ maxLength: 20 }), fc.nat(0x7f), (punch, padding, flags) => {
      const value = encodePunch(punch, padding.length);
      value.set(padding, punchLength);
      value[3] = (value[3] ?? 0) | (flags << 1);
      assert.deepEqual(unwrap(decodePunch(value)), punch);
    }),
  );
});

test("what is no punch of this version is refused", () => {
  for (const [hex, reason] of [
    ["", "too-short"],
    ["10030000 0123456789abcd", "too-short"],
    ["00030000 0123456789abcdef", "unknown-version"],
    ["20030000 0123456789abcdef", "unknown-version"],
    ["12030000 0123456789abcdef", "unknown-role"],
    ["1f030000 0123456789abcdef", "unknown-role"],
  ] as const) {
    assert.equal(reasonOf(decodePunch(fromHex(hex))), reason, hex);
  }
});

test("what does not fit is a defect of the caller", () => {
  const good: Punch = { role: "viewer", component: 0, session, components: 0, publisherLive: false };
  for (const bad of [
    { component: 256 },
    { component: -1 },
    { components: 0.5 },
    { session: "0123456789ABCDEF" },
    { session: "0123" },
  ]) {
    assertThrowsCode("INTERNAL", () => encodePunch({ ...good, ...bad }));
  }
});
