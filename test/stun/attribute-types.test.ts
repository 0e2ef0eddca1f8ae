import assert from "node:assert/strict";
import { test } from "node:test";
import { attributeTypes } from "../../src/stun/attribute-types.ts";

/** IANA, "STUN Parameters", registry "STUN Attributes". */
const registry: Readonly<Record<string, number>> = {
  "MAPPED-ADDRESS": 0x0001,
  USERNAME: 0x0006,
  "MESSAGE-INTEGRITY": 0x0008,
  "ERROR-CODE": 0x0009,
  "UNKNOWN-ATTRIBUTES": 0x000a,
  LIFETIME: 0x000d,
  REALM: 0x0014,
  NONCE: 0x0015,
  "MESSAGE-INTEGRITY-SHA256": 0x001c,
  "PASSWORD-ALGORITHM": 0x001d,
  USERHASH: 0x001e,
  "XOR-MAPPED-ADDRESS": 0x0020,
  "PASSWORD-ALGORITHMS": 0x8002,
  "ALTERNATE-DOMAIN": 0x8003,
  SOFTWARE: 0x8022,
  "ALTERNATE-SERVER": 0x8023,
  FINGERPRINT: 0x8028,
};

test("attribute numbers are IANA's", () => {
  const { punch, ...standard } = attributeTypes;
  const named = Object.entries(standard).map(([name, number]) => [
    name.replaceAll(/[A-Z]/g, (letter) => `-${letter}`).toUpperCase(),
    number,
  ]);
  assert.deepEqual(Object.fromEntries(named), registry);
  assert.equal(punch, 0xca57);
});
