import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { attributeTypes } from "../../src/stun/attribute-types.ts";
import type { IntegrityAlgorithm } from "../../src/stun/digest.ts";
import { verifyFingerprint, verifyMessageIntegrity, verifyMessageIntegritySha256 } from "../../src/stun/integrity.ts";
import { decodeMessage, encodeMessage, type MessageFields } from "../../src/stun/message.ts";
import { bytesOf, messageOf } from "./support.ts";
import { fromHex } from "./vectors.ts";

const key = fromHex("00112233445566778899aabbccddeeff");
const transactionId = fromHex("000102030405060708090a0b");
const verify = { sha1: verifyMessageIntegrity, sha256: verifyMessageIntegritySha256 };

function message(overrides: Partial<MessageFields>): Uint8Array {
  const attributes = [{ type: attributeTypes.software, value: fromHex("616263") }];
  return encodeMessage({ messageClass: "request", method: 1, transactionId, attributes, ...overrides });
}

/** A message that ends in a MESSAGE-INTEGRITY-SHA256 of the first `length` bytes of the right digest. */
function truncated(length: number): Uint8Array {
  const value = new Uint8Array(length);
  const bytes = message({ attributes: [{ type: attributeTypes.messageIntegritySha256, value }] });
  const header = bytes.slice(0, 20);
  header[3] = 4 + length;
  const digest = createHmac("sha256", key).update(header).digest();
  bytes.set(digest.subarray(0, length), 24);
  return bytes;
}

test("what encodeMessage signs verifies with that key only, with and without a fingerprint after it", () => {
  const algorithm = fc.constantFrom<IntegrityAlgorithm>("sha1", "sha256");
  fc.assert(
    fc.property(algorithm, bytesOf(16), bytesOf(16), fc.boolean(), (name, right, wrong, fingerprint) => {
      fc.pre(Buffer.compare(right, wrong) !== 0);
      const signed = messageOf(message({ integrity: { algorithm: name, key: right }, fingerprint }));
      assert.equal(verify[name](signed, right), true);
      assert.equal(verify[name](signed, wrong), false);
      assert.equal(verify[name === "sha1" ? "sha256" : "sha1"](signed, right), false);
      assert.equal(verifyFingerprint(signed), fingerprint ? true : undefined);
    }),
  );
});

test("a single changed bit of a signed message is found", () => {
  for (const algorithm of ["sha1", "sha256"] as const) {
    const bytes = message({ integrity: { algorithm, key }, fingerprint: true });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const result = decodeMessage(changed);
      if (!result.ok) continue;
      const inFingerprint = bit >> 3 >= bytes.length - 8;
      assert.equal(verify[algorithm](result.value, key), inFingerprint, `bit ${bit}`);
      assert.notEqual(verifyFingerprint(result.value), true, `bit ${bit}`);
    }
  }
});

test("a message without integrity has none, whatever the key", () => {
  const plain = messageOf(message({}));
  assert.equal(verifyMessageIntegrity(plain, key), false);
  assert.equal(verifyMessageIntegritySha256(plain, key), false);
  assert.equal(verifyMessageIntegritySha256(plain, key, 0), false);
});

test("a SHA-256 digest may be truncated only as far as the caller allows, never below 16 bytes", () => {
  for (const length of [16, 20, 24, 28, 32]) {
    assert.equal(verifyMessageIntegritySha256(messageOf(truncated(length)), key, 16), true, `${length}`);
    assert.equal(verifyMessageIntegritySha256(messageOf(truncated(length)), key), length === 32, `${length}`);
    assert.equal(verifyMessageIntegritySha256(messageOf(truncated(length)), key, 24), length >= 24, `${length}`);
  }
  for (const length of [0, 4, 12, 15, 17, 18, 30]) {
    assert.equal(verifyMessageIntegritySha256(messageOf(truncated(length)), key, 0), false, `${length}`);
  }
});

test("a digest of another length is refused", () => {
  for (const length of [0, 16, 24]) {
    const attributes = [{ type: attributeTypes.messageIntegrity, value: new Uint8Array(length) }];
    assert.equal(verifyMessageIntegrity(messageOf(message({ attributes })), key), false);
  }
  const attributes = [{ type: attributeTypes.messageIntegritySha256, value: new Uint8Array(36) }];
  assert.equal(verifyMessageIntegritySha256(messageOf(message({ attributes })), key), false);
});

test("SHA-1 and SHA-256 may stand side by side", () => {
  const first = messageOf(message({ integrity: { algorithm: "sha1", key } }));
  const both = messageOf(message({ attributes: first.attributes, integrity: { algorithm: "sha256", key } }));
  assert.equal(verifyMessageIntegrity(both, key), true);
  assert.equal(verifyMessageIntegritySha256(both, key), true);
});

/** Puts the right CRC into a message whose FINGERPRINT attribute is at byte 20; only the bytes that there is room for. */
function fingerprinted(length: number, transaction: Uint8Array, after: MessageFields["attributes"] = []): Uint8Array {
  const attributes = [{ type: attributeTypes.fingerprint, value: new Uint8Array(length) }, ...after];
  const bytes = message({ transactionId: transaction, attributes });
  const value = Buffer.alloc(4);
  value.writeUInt32BE((crc32(bytes.subarray(0, 20)) ^ 0x5354554e) >>> 0);
  bytes.set(value.subarray(0, length), 24);
  return bytes;
}

test("a fingerprint that does not close the message is wrong", () => {
  assert.equal(verifyFingerprint(messageOf(fingerprinted(4, transactionId))), true);
  const more = fingerprinted(4, transactionId, [{ type: attributeTypes.software, value: new Uint8Array() }]);
  assert.equal(verifyFingerprint(messageOf(more)), false);
});

test("a fingerprint of three bytes is wrong, even if the fourth would be zero", () => {
  let right = 0;
  for (let i = 0; i < 2048; i++) {
    const transaction = Uint8Array.of(i >> 8, i & 0xff, ...transactionId.subarray(2));
    if (fingerprinted(4, transaction)[27] === 0) right++;
    assert.equal(verifyFingerprint(messageOf(fingerprinted(3, transaction))), false);
  }
  assert.ok(right > 0);
});
