import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeMappedAddress, encodeMappedAddress } from "../../../src/stun/attributes/mapped-address.ts";
import { decodeXorMappedAddress, encodeXorMappedAddress } from "../../../src/stun/attributes/xor-mapped-address.ts";
import { anyEndpoint, assertThrowsCode, bytesOf, reasonOf, unwrap } from "../support.ts";
import { fromHex } from "../vectors.ts";

test("a mapped address is family, port and address", () => {
  const v4 = encodeMappedAddress({ address: "192.0.2.1", port: 32853 });
  assert.deepEqual(v4, fromHex("0001 8055 c0000201"));
  const v6 = encodeMappedAddress({ address: "2001:db8::1", port: 1 });
  assert.deepEqual(v6, fromHex("0002 0001 20010db8000000000000000000000001"));
});

test("any endpoint survives both address attributes", () => {
  fc.assert(
    fc.property(anyEndpoint, bytesOf(12), (endpoint, transactionId) => {
      assert.deepEqual(unwrap(decodeMappedAddress(encodeMappedAddress(endpoint))), endpoint);
      const hidden = encodeXorMappedAddress(endpoint, transactionId);
      assert.deepEqual(unwrap(decodeXorMappedAddress(hidden, transactionId)), endpoint);
    }),
  );
});

test("only an IPv6 address depends on the transaction id", () => {
  const [a, b] = [new Uint8Array(12), new Uint8Array(12).fill(1)];
  const v4 = { address: "192.0.2.1", port: 9000 };
  const v6 = { address: "2001:db8::1", port: 9000 };
  assert.deepEqual(encodeXorMappedAddress(v4, a), encodeXorMappedAddress(v4, b));
  assert.notDeepEqual(encodeXorMappedAddress(v6, a), encodeXorMappedAddress(v6, b));
});

test("a wrong family or length is refused, the first byte is ignored", () => {
  for (const hex of ["", "0001", "000123", "00010001c00002", "00010001c000020100", "00020001c0000201"]) {
    assert.equal(reasonOf(decodeMappedAddress(fromHex(hex))), "bad-length", hex);
    assert.equal(reasonOf(decodeXorMappedAddress(fromHex(hex), new Uint8Array(12))), "bad-length", hex);
  }
  for (const hex of ["00000001c0000201", "00030001c0000201"]) {
    assert.equal(reasonOf(decodeMappedAddress(fromHex(hex))), "unknown-family", hex);
  }
  assert.equal(unwrap(decodeMappedAddress(fromHex("ff010001c0000201"))).address, "192.0.2.1");
  assertThrowsCode("INTERNAL", () => encodeMappedAddress({ address: "relay.example", port: 1 }));
});
