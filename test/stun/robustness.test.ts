import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { attributeTypes as types } from "../../src/stun/attribute-types.ts";
import { decodeErrorCode } from "../../src/stun/attributes/error-code.ts";
import { decodeLifetime } from "../../src/stun/attributes/lifetime.ts";
import { decodeMappedAddress } from "../../src/stun/attributes/mapped-address.ts";
import { decodeNonce, decodeNonceFeatures } from "../../src/stun/attributes/nonce.ts";
import { decodePasswordAlgorithm, decodePasswordAlgorithms } from "../../src/stun/attributes/password-algorithms.ts";
import { decodePunch, encodePunch } from "../../src/stun/attributes/punch.ts";
import { decodeRealm, decodeSoftware, decodeUsername } from "../../src/stun/attributes/text.ts";
import { decodeUnknownAttributes } from "../../src/stun/attributes/unknown-attributes.ts";
import { decodeUserhash } from "../../src/stun/attributes/userhash.ts";
import { decodeXorMappedAddress } from "../../src/stun/attributes/xor-mapped-address.ts";
import { longTermKey, userHash } from "../../src/stun/credentials.ts";
import { verifyFingerprint, verifyMessageIntegrity, verifyMessageIntegritySha256 } from "../../src/stun/integrity.ts";
import { decodeMessage, encodeMessage, isStun, unknownRequiredAttributes } from "../../src/stun/message.ts";
import { anyBytes, bytesOf } from "./support.ts";
import { vectors } from "./vectors.ts";

const key = new Uint8Array(16);
const transactionId = new Uint8Array(12);

const punch = encodeMessage({
  messageClass: "request",
  method: 1,
  transactionId,
  attributes: [
    { type: types.punch, value: encodePunch({ role: "viewer", component: 1, session: "0123456789abcdef" }, 40) },
    { type: types.lifetime, value: new Uint8Array(4) },
  ],
  integrity: { algorithm: "sha256", key },
  fingerprint: true,
});

/** Runs every decoder of attribute values, whatever the value was meant to be. */
function decodeAsEverything(value: Uint8Array): void {
  for (const decode of [
    decodeErrorCode,
    decodeLifetime,
    decodeMappedAddress,
    decodeNonce,
    decodeNonceFeatures,
    decodePasswordAlgorithm,
    decodePasswordAlgorithms,
    decodePunch,
    decodeSoftware,
    decodeUnknownAttributes,
    decodeUserhash,
  ]) {
    decode(value);
  }
  decodeXorMappedAddress(value, transactionId);
  const username = decodeUsername(value);
  const realm = decodeRealm(value);
  if (username.ok && realm.ok) {
    // What these decoders let through, the keys can be made of.
    userHash(username.value, realm.value);
    longTermKey("MD5", username.value, realm.value, "password");
  }
}

/** Does with a datagram all that a server could. */
function readFully(datagram: Uint8Array): void {
  const result = decodeMessage(datagram);
  if (!result.ok) return;
  assert.ok(isStun(datagram));
  const message = result.value;
  verifyFingerprint(message);
  verifyMessageIntegrity(message, key);
  verifyMessageIntegritySha256(message, key, 16);
  unknownRequiredAttributes(message, new Set());
  for (const { value, offset } of message.attributes) {
    assert.ok(offset + 4 + value.length <= datagram.length);
    decodeAsEverything(value);
  }
}

/** Like a message from its cookie and length on, arbitrary after. */
const almostStun = fc.tuple(bytesOf(2), fc.uint8Array({ maxLength: 400 })).map(([type, body]) => {
  const padded = new Uint8Array((body.length + 3) & ~3);
  padded.set(body);
  // Small lengths, so that more than the first attribute is looked at.
  for (let i = 2; i < padded.length; i += 8) padded[i] = 0;
  const header = encodeMessage({ messageClass: "request", method: 1, transactionId, attributes: [] });
  header.set([(type[0] ?? 0) & 0x3f, type[1] ?? 0, padded.length >> 8, padded.length & 0xff]);
  return Uint8Array.of(...header, ...padded);
});

const mutated = fc
  .tuple(
    fc.constantFrom(...vectors, punch),
    fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 6 }),
    fc.nat(200),
    fc.boolean(),
  )
  .map(([valid, changes, cut, mend]) => {
    const bytes = valid.slice(0, Math.max(20, valid.length - (mend ? cut & ~3 : cut % 5)));
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    // Half of them keep a header that is right, to get past it.
    if (mend) bytes.set([0, 1, 0, bytes.length - 20, 0x21, 0x12, 0xa4, 0x42]);
    return bytes;
  });

test("no datagram makes the decoders throw", () => {
  fc.assert(fc.property(fc.oneof(anyBytes, almostStun, mutated), readFully), { numRuns: 3000 });
});

test("no value makes an attribute's decoder throw", () => {
  fc.assert(fc.property(anyBytes, decodeAsEverything), { numRuns: 1000 });
});
