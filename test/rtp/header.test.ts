import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeRtp, encodeRtp, type RtpFields } from "../../src/rtp/header.ts";
import { mutatedBytes } from "../support/bytes.ts";

const fields: fc.Arbitrary<RtpFields> = fc.record({
  payloadType: fc.nat(127),
  marker: fc.boolean(),
  sequenceNumber: fc.nat(0xffff),
  timestamp: fc.nat(0xffffffff),
  ssrc: fc.nat(0xffffffff),
});

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

test("a header is laid out as RFC 3550 §5.1 draws it", () => {
  const bytes = encodeRtp(
    { payloadType: 96, marker: true, sequenceNumber: 0x0102, timestamp: 0xfeedbeef, ssrc: 0x6b8b4567 },
    Uint8Array.of(7),
  );
  assert.deepEqual(bytes, hex("80 e0 0102 feedbeef 6b8b4567 07"));
});

test("fields and payload survive the wire", () => {
  fc.assert(
    fc.property(fields, fc.uint8Array(), (sent, payload) => {
      assert.deepEqual(decodeRtp(encodeRtp(sent, payload)), {
        ok: true,
        value: { ...sent, headerLength: 12, paddingLength: 0, payload },
      });
    }),
  );
});

test("contributing sources, extension and padding do not reach the payload", () => {
  const bytes = hex("b2 60 0001 00000002 00000003 0000000a 8000000b bede0001 10ff0000 aabb 000003");
  assert.deepEqual(decodeRtp(bytes), {
    ok: true,
    value: {
      payloadType: 96,
      marker: false,
      sequenceNumber: 1,
      timestamp: 2,
      ssrc: 3,
      headerLength: 28,
      paddingLength: 3,
      csrcs: [10, 0x8000000b],
      extension: { profile: 0xbede, data: hex("10ff0000") },
      payload: hex("aabb"),
    },
  });
});

test("the payload is a view, not a copy", () => {
  const bytes = hex("80 60 0001 00000002 00000003 aabb");
  const packet = decodeRtp(bytes);
  assert.ok(packet.ok);
  assert.equal(packet.value.payload.buffer, bytes.buffer);
});

test("every malformation has its reason", () => {
  const cases: [string, string][] = [
    ["80 60 0001 00000002 000000", "too-short"],
    ["40 60 0001 00000002 00000003", "bad-version"],
    ["81 60 0001 00000002 00000003", "truncated-header"],
    ["90 60 0001 00000002 00000003 bede00", "truncated-header"],
    ["90 60 0001 00000002 00000003 bede0001", "truncated-header"],
    ["a0 60 0001 00000002 00000003 00", "bad-padding"],
    ["a0 60 0001 00000002 00000003 02", "bad-padding"],
  ];
  for (const [text, reason] of cases) assert.deepEqual(decodeRtp(hex(text)), { ok: false, reason }, text);
});

test("no bytes make the decoder throw, and what it accepts adds up", () => {
  const packet = fields.map((sent) => encodeRtp(sent, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutatedBytes(packet)), (bytes) => {
      const result = decodeRtp(bytes);
      if (!result.ok) return;
      const { headerLength, paddingLength, payload } = result.value;
      assert.equal(headerLength + payload.length + paddingLength, bytes.length);
    }),
    { numRuns: 2000 },
  );
});
