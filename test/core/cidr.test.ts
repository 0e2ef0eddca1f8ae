import assert from "node:assert/strict";
import { test } from "node:test";
import { cidrContains, formatCidr, parseCidr, prefixOf } from "../../src/core/cidr.ts";

function contains(block: string, address: string): boolean {
  const cidr = parseCidr(block);
  assert.ok(cidr, block);
  return cidrContains(cidr, address);
}

test("a block contains its addresses and no others", () => {
  assert.ok(contains("10.10.10.0/24", "10.10.10.175"));
  assert.ok(!contains("10.10.10.0/24", "10.10.11.175"));
  assert.ok(contains("10.10.10.128/25", "10.10.10.175"));
  assert.ok(!contains("10.10.10.128/25", "10.10.10.127"));
  assert.ok(contains("0.0.0.0/0", "203.0.113.9"));
  assert.ok(contains("10.10.10.175", "10.10.10.175"));
  assert.ok(!contains("10.10.10.175", "10.10.10.174"));
  assert.ok(contains("2001:db8::/33", "2001:db8:7fff::1"));
  assert.ok(!contains("2001:db8::/33", "2001:db8:8000::1"));
  assert.ok(!contains("::/0", "192.0.2.1"));
});

test("host bits are cleared and nonsense is refused", () => {
  assert.equal(formatCidr(parseCidr("10.10.10.175/24") ?? assert.fail()), "10.10.10.0/24");
  for (const text of ["10.0.0.0/33", "::/129", "10.0.0/8", "x", "", "10.0.0.0/", "10.0.0.0/-1"]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

test("addresses share a prefix key", () => {
  assert.equal(prefixOf("203.0.113.9", 24, 56), "203.0.113.0/24");
  assert.equal(prefixOf("2001:db8:1:2ff::9", 24, 56), "2001:db8:1:200::/56");
});
