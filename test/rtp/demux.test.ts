import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { classifyDatagram } from "../../src/rtp/demux.ts";

function datagram(length: number, ...start: number[]): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(start);
  return bytes;
}

const stun = [0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42];

test("each range of RFC 7983 and RFC 5761 has its kind, from edge to edge", () => {
  const cases: [string, Uint8Array, string][] = [
    ["STUN request", datagram(20, ...stun), "stun"],
    ["STUN error response", datagram(20, 0x01, 0x11, ...stun.slice(2)), "stun"],
    ["first byte 3", datagram(20, 3, ...stun.slice(1)), "stun"],
    ["no cookie", datagram(20, 0, 1), "other"],
    ["first byte 4", datagram(20, 4, ...stun.slice(1)), "other"],
    ["short STUN", datagram(19, ...stun), "other"],
    ["first byte 19", datagram(40, 19), "other"],
    ["DTLS change_cipher_spec", datagram(14, 20), "dtls"],
    ["first byte 63", datagram(13, 63), "dtls"],
    ["short DTLS", datagram(12, 22), "other"],
    ["TURN channel", datagram(40, 64), "other"],
    ["MPEG-TS", datagram(1316, 0x47), "other"],
    ["first byte 127", datagram(40, 127), "other"],
    ["RTP", datagram(12, 0x80, 96), "rtp"],
    ["RTP, marker, 63", datagram(12, 0x80, 191), "rtp"],
    ["RTP, marker, 96", datagram(12, 0x80, 224), "rtp"],
    ["RTP, all flags", datagram(12, 191, 0), "rtp"],
    ["short RTP", datagram(11, 0x80, 96), "other"],
    ["RTCP, 192", datagram(4, 0x80, 192), "rtcp"],
    ["sender report", datagram(28, 0x80, 200), "rtcp"],
    ["RTCP, 223", datagram(4, 191, 223), "rtcp"],
    ["short RTCP", datagram(3, 0x80, 200), "other"],
    ["first byte 192", datagram(40, 192), "other"],
    ["bare punch", datagram(1, 0x30), "other"],
    ["nothing", datagram(0), "other"],
  ];
  for (const [name, bytes, kind] of cases) assert.equal(classifyDatagram(bytes), kind, name);
});

test("no bytes make it throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => classifyDatagram(bytes) !== undefined));
});
