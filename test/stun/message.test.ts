import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { attributeTypes as types } from "../../src/stun/attribute-types.ts";
import {
  decodeMessage,
  encodeMessage,
  findAttribute,
  headerLength,
  isStun,
  type MessageClass,
  type MessageFields,
  magicCookie,
  unknownRequiredAttributes,
} from "../../src/stun/message.ts";
import { assertThrowsCode, bytesOf, messageOf, reasonOf } from "./support.ts";
import { fromHex, sampleRequest, vectors } from "./vectors.ts";

const transactionId = fromHex("000102030405060708090a0b");

function fields(overrides: Partial<MessageFields> = {}): MessageFields {
  return { messageClass: "request", method: 1, transactionId, attributes: [], ...overrides };
}

function typesOf(bytes: Uint8Array): number[] {
  return messageOf(bytes).attributes.map(({ type }) => type);
}

function empty(...list: number[]): MessageFields["attributes"] {
  return list.map((type) => ({ type, value: new Uint8Array() }));
}

test("class and method share the first two bytes as IANA's registries have them", () => {
  // RFC 8489 §5 and the TURN methods of RFC 8656 §17, the widest known use of the encoding.
  const cases: [MessageClass, number, string][] = [
    ["request", 0x001, "0001"],
    ["indication", 0x001, "0011"],
    ["success", 0x001, "0101"],
    ["error", 0x001, "0111"],
    ["request", 0x003, "0003"],
    ["indication", 0x006, "0016"],
    ["error", 0x009, "0119"],
    ["error", 0xfff, "3fff"],
    ["request", 0xfff, "3eef"],
  ];
  for (const [messageClass, method, expected] of cases) {
    const bytes = encodeMessage(fields({ messageClass, method }));
    assert.deepEqual(bytes.subarray(0, 2), fromHex(expected));
    const message = messageOf(bytes);
    assert.deepEqual([message.messageClass, message.method], [messageClass, method]);
  }
});

test("the header is 20 bytes with the cookie of the standard", () => {
  assert.equal(magicCookie, 0x2112a442);
  assert.equal(headerLength, 20);
  assert.deepEqual(encodeMessage(fields()), fromHex("0001 0000 2112a442 000102030405060708090a0b"));
});

test("only bytes that can be STUN are taken for it", () => {
  for (const bytes of vectors) assert.ok(isStun(bytes));
  assert.ok(!isStun(new Uint8Array()));
  assert.ok(!isStun(sampleRequest.subarray(0, 19)));
  assert.ok(isStun(sampleRequest.subarray(0, 20)));
  for (const first of [0x40, 0x80, 0xc0]) {
    const rtpLike = sampleRequest.slice();
    rtpLike[0] = first;
    assert.ok(!isStun(rtpLike));
    assert.equal(reasonOf(decodeMessage(rtpLike)), "not-stun");
  }
  for (const i of [4, 5, 6, 7]) {
    const other = sampleRequest.slice();
    other[i] = (other[i] ?? 0) ^ 1;
    assert.ok(!isStun(other));
  }
});

test("a length that is not exactly the datagram's is refused", () => {
  for (const change of [-4, -1, 1, 2, 4]) {
    const bytes = sampleRequest.slice();
    bytes[3] = (bytes[3] ?? 0) + change;
    assert.equal(reasonOf(decodeMessage(bytes)), "bad-length", `${change}`);
  }
  assert.equal(reasonOf(decodeMessage(Uint8Array.of(...sampleRequest, 0, 0, 0, 0))), "bad-length");
  // The right length, but not a multiple of 4.
  const odd = Uint8Array.of(...encodeMessage(fields()), 0, 0);
  odd[3] = 2;
  assert.equal(reasonOf(decodeMessage(odd)), "bad-length");
});

test("an attribute past the end is refused, even among those that are ignored", () => {
  const bytes = encodeMessage(fields({ attributes: empty(types.software) }));
  bytes[headerLength + 3] = 1;
  assert.equal(reasonOf(decodeMessage(bytes)), "attribute-overrun");
  const ignored = encodeMessage(fields({ attributes: empty(types.fingerprint, types.software) }));
  ignored[headerLength + 7] = 1;
  assert.equal(reasonOf(decodeMessage(ignored)), "attribute-overrun");
});

test("what follows integrity and fingerprint is ignored except what may (RFC 8489 §14.5-14.7)", () => {
  const { messageIntegrity: mi, messageIntegritySha256: mi256, fingerprint: fp, software: sw, username: un } = types;
  const cases: [number[], number[]][] = [
    [
      [un, mi, sw],
      [un, mi],
    ],
    [
      [un, mi, sw, fp],
      [un, mi, fp],
    ],
    [
      [mi, un, mi256, sw, fp, un],
      [mi, mi256, fp],
    ],
    [
      [mi256, mi, fp],
      [mi256, fp],
    ],
    [[mi256, mi256], [mi256]],
    [[mi, mi], [mi]],
    [[fp, mi, mi256, un, fp], [fp]],
  ];
  for (const [sent, kept] of cases) {
    assert.deepEqual(typesOf(encodeMessage(fields({ attributes: empty(...sent) }))), kept);
  }
});

test("of attributes of one type the first one counts", () => {
  const attributes = [1, 2].map((byte) => ({ type: types.lifetime, value: Uint8Array.of(byte) }));
  const message = messageOf(encodeMessage(fields({ attributes })));
  assert.deepEqual(findAttribute(message, types.lifetime), Uint8Array.of(1));
  assert.equal(findAttribute(message, types.nonce), undefined);
});

test("unknown attributes count only below 0x8000, and once each", () => {
  const attributes = empty(0x7fff, 0x8000, types.username, 0x0002, 0x7fff, 0xffff);
  const message = messageOf(encodeMessage(fields({ attributes })));
  assert.deepEqual(unknownRequiredAttributes(message, new Set([types.username])), [0x7fff, 0x0002]);
});

test("any message survives the wire, with zero padding", () => {
  const plain = { noNullPrototype: true };
  const other = fc.integer({ min: 0x9000, max: 0xffff });
  const attribute = fc.record({ type: other, value: fc.uint8Array({ maxLength: 50 }) }, plain);
  const anyFields = fc.record(
    {
      messageClass: fc.constantFrom<MessageClass>("request", "indication", "success", "error"),
      method: fc.nat(0xfff),
      transactionId: bytesOf(12),
      attributes: fc.array(attribute, { maxLength: 8 }),
      fingerprint: fc.boolean(),
    },
    plain,
  );
  fc.assert(
    fc.property(anyFields, (sent) => {
      const bytes = encodeMessage(sent);
      assert.equal(bytes.length % 4, 0);
      const message = messageOf(Buffer.from(bytes));
      const attributes = message.attributes.map(({ type, value }) => ({ type, value }));
      if (sent.fingerprint) assert.equal(attributes.pop()?.type, types.fingerprint);
      const { messageClass, method } = message;
      const got = { messageClass, method, transactionId: message.transactionId, attributes };
      assert.deepEqual({ ...got, fingerprint: sent.fingerprint }, sent);
      for (const { value, offset } of message.attributes) {
        const end = offset + 4 + value.length;
        assert.ok(bytes.subarray(end, (end + 3) & ~3).every((byte) => byte === 0));
      }
    }),
  );
});

test("fields that no message can hold are a defect of the caller", () => {
  assertThrowsCode("INTERNAL", () => encodeMessage(fields({ transactionId: new Uint8Array(16) })));
  assertThrowsCode("INTERNAL", () => encodeMessage(fields({ method: 0x1000 })));
  const half = { type: types.software, value: new Uint8Array(0x8000) };
  assertThrowsCode("INTERNAL", () => encodeMessage(fields({ attributes: [half, half] })));
});
