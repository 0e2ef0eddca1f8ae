import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addressToBytes,
  bytesToAddress,
  formatEndpoint,
  normalizeAddress,
  parseHostPort,
} from "../../src/core/address.ts";

test("an address has one normalized text", () => {
  const cases: [string, string | undefined][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:0201", "192.0.2.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::", "::"],
    ["::1", "::1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["192.0.2.256", undefined],
    ["relay.example", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of cases) assert.equal(normalizeAddress(text), expected, text);
});

test("bytes of any address survive text and back", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((b) => b[0] !== 0),
  );
  fc.assert(fc.property(bytes, (b) => assert.deepEqual(addressToBytes(bytesToAddress(b)), b)));
});

test("host and port are read in every notation", () => {
  assert.deepEqual(parseHostPort("relay.example", 9000), { host: "relay.example", port: 9000 });
  assert.deepEqual(parseHostPort("192.0.2.1:7", 9000), { host: "192.0.2.1", port: 7 });
  assert.deepEqual(parseHostPort("[2001:db8::1]:7", 9000), { host: "2001:db8::1", port: 7 });
  assert.deepEqual(parseHostPort("2001:db8::1", 9000), { host: "2001:db8::1", port: 9000 });
  for (const text of ["", "a:0", "a:65536", "[x]:1", "a b", "a:1:2:z"])
    assert.equal(parseHostPort(text, 9000), undefined);
});

test("an IPv6 endpoint is written with brackets", () => {
  assert.equal(formatEndpoint({ address: "2001:db8::1", port: 9000 }), "[2001:db8::1]:9000");
});
