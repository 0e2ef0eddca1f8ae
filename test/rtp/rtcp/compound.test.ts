import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../../../src/rtp/rtcp/compound.ts";
import { describeSource } from "../../../src/rtp/rtcp/source-description.ts";
import { mutatedBytes } from "../../support/bytes.ts";

const uint32 = fc.nat(0xffffffff);
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const reports = fc.array(
  fc.record({
    ssrc: uint32,
    fractionLost: fc.nat(255),
    cumulativeLost: fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }),
    highestSequenceNumber: uint32,
    jitter: uint32,
    lastSenderReport: uint32,
    delaySinceSenderReport: uint32,
  }),
  { maxLength: 31 },
);
const parties = { senderSsrc: uint32, mediaSsrc: uint32 };
const ascending = fc
  .tuple(fc.nat(0xffff), fc.uniqueArray(fc.nat(500), { minLength: 1, maxLength: 30 }))
  .map(([first, steps]) => steps.sort((a, b) => a - b).map((step) => (first + step) & 0xffff));
const packets: fc.Arbitrary<RtcpPacket[]> = fc.array(
  fc.oneof(
    fc.record({
      type: fc.constant("sender-report" as const),
      ssrc: uint32,
      ntp: fc.record({ seconds: uint32, fraction: uint32 }),
      rtpTimestamp: uint32,
      packetCount: uint32,
      octetCount: uint32,
      reports,
    }),
    fc.record({ type: fc.constant("receiver-report" as const), ssrc: uint32, reports }),
    fc.record({
      type: fc.constant("source-description" as const),
      chunks: fc.array(
        fc.record({ ssrc: uint32, items: fc.array(fc.record({ item: fc.integer({ min: 1, max: 255 }), text })) }),
        { maxLength: 5 },
      ),
    }),
    fc.record(
      { type: fc.constant("bye" as const), ssrcs: fc.array(uint32, { maxLength: 31 }), reason: text },
      { requiredKeys: ["type", "ssrcs"] },
    ),
    fc.record({ type: fc.constant("nack" as const), ...parties, sequenceNumbers: ascending }),
    fc.record({ type: fc.constant("pli" as const), ...parties }),
    fc.record({
      type: fc.constant("fir" as const),
      ...parties,
      requests: fc.array(fc.record({ ssrc: uint32, sequenceNumber: fc.nat(255) }), { maxLength: 5 }),
    }),
    fc.record({
      type: fc.constant("raw" as const),
      packetType: fc.constantFrom(192, 204, 207),
      count: fc.nat(31),
      body: fc.array(uint32, { maxLength: 8 }).map((words) => new Uint8Array(Uint32Array.from(words).buffer)),
    }),
  ),
  { minLength: 1, maxLength: 4 },
);

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

test("any compound survives the wire", () => {
  fc.assert(
    fc.property(packets, (sent) => {
      // fast-check's records have no prototype; the clone's have the usual one.
      assert.deepEqual(decodeRtcp(encodeRtcp(sent)), { ok: true, value: structuredClone(sent) });
    }),
    { numRuns: 500 },
  );
});

test("packets are laid out as the RFCs draw them", () => {
  const cases: [string, RtcpPacket][] = [
    [
      "80c80006 6b8b4567 83aa7e80 80000000 00000001 00000002 00000003",
      {
        type: "sender-report",
        ssrc: 0x6b8b4567,
        ntp: { seconds: 0x83aa7e80, fraction: 0x80000000 },
        rtpTimestamp: 1,
        packetCount: 2,
        octetCount: 3,
        reports: [],
      },
    ],
    [
      "81c90007 00000001 00000002 80ffffff 00010003 00000004 00000005 00000006",
      {
        type: "receiver-report",
        ssrc: 1,
        reports: [
          {
            ssrc: 2,
            fractionLost: 128,
            cumulativeLost: -1,
            highestSequenceNumber: 0x10003,
            jitter: 4,
            lastSenderReport: 5,
            delaySinceSenderReport: 6,
          },
        ],
      },
    ],
    ["81ca0003 00000001 01046140 6263 0000", describeSource(1, "a@bc")],
    ["81ca0002 00000001 01000000", describeSource(1, "")],
    ["81cb0002 00000001 02 6f6b 00", { type: "bye", ssrcs: [1], reason: "ok" }],
    [
      "81cd0003 00000001 00000002 fffe 8001",
      { type: "nack", senderSsrc: 1, mediaSsrc: 2, sequenceNumbers: [0xfffe, 0xffff, 14] },
    ],
    ["81ce0002 00000001 00000002", { type: "pli", senderSsrc: 1, mediaSsrc: 2 }],
    [
      "84ce0004 00000001 00000000 00000002 07000000",
      { type: "fir", senderSsrc: 1, mediaSsrc: 0, requests: [{ ssrc: 2, sequenceNumber: 7 }] },
    ],
    ["8fce0002 00000001 00000002", { type: "raw", packetType: 206, count: 15, body: hex("00000001 00000002") }],
  ];
  for (const [bytes, packet] of cases) {
    assert.deepEqual(encodeRtcp([packet]), hex(bytes), packet.type);
    assert.deepEqual(decodeRtcp(hex(bytes)), { ok: true, value: [packet] }, packet.type);
  }
});

test("every malformation has its reason", () => {
  const cases: [string, string][] = [
    ["", "too-short"],
    ["80c900", "too-short"],
    ["80c90001 00000001 80", "too-short"],
    ["40c90001 00000001", "bad-version"],
    ["80c90002 00000001", "bad-length"],
    ["a0c90001 00000000", "bad-padding"],
    ["a0c90001 00000003", "bad-padding"],
    ["a0c90001 00000008", "bad-padding"],
    ["80c80001 00000001", "bad-body"],
    ["81c90001 00000001", "bad-body"],
    ["81ca0002 00000001 01040000", "bad-body"],
    ["82cb0001 00000001", "bad-body"],
    ["81cb0002 00000001 04000000", "bad-body"],
    ["81ce0001 00000001", "bad-body"],
    ["84ce0003 00000001 00000000 00000002", "bad-body"],
  ];
  for (const [bytes, reason] of cases) assert.deepEqual(decodeRtcp(hex(bytes)), { ok: false, reason }, bytes);
});

test("padding is not part of a packet", () => {
  assert.deepEqual(decodeRtcp(hex("a0c90002 00000001 00000004")), {
    ok: true,
    value: [{ type: "receiver-report", ssrc: 1, reports: [] }],
  });
});

test("a text may begin with U+FEFF, which decoders like to swallow", () => {
  const packet = describeSource(1, "\uFEFFa");
  assert.deepEqual(decodeRtcp(encodeRtcp([packet])), { ok: true, value: [packet] });
});

test("texts are cut at 255 bytes between characters", () => {
  const result = decodeRtcp(encodeRtcp([describeSource(1, `x${"ü".repeat(200)}`)]));
  assert.deepEqual(result, { ok: true, value: [describeSource(1, `x${"ü".repeat(127)}`)] });
});

test("what has no order is asked for all the same", () => {
  const wanted = fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(wanted, (sequenceNumbers) => {
      const result = decodeRtcp(encodeRtcp([{ type: "nack", senderSsrc: 1, mediaSsrc: 2, sequenceNumbers }]));
      const [packet] = result.ok ? result.value : [];
      assert.ok(packet?.type === "nack");
      assert.deepEqual(new Set(packet.sequenceNumbers), new Set(sequenceNumbers));
    }),
  );
});

test("no bytes make the decoder throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutatedBytes(packets.map(encodeRtcp))), (bytes) => {
      decodeRtcp(bytes);
    }),
    { numRuns: 2000 },
  );
});
