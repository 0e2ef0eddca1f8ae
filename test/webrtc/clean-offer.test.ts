import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cleanOffer } from "../../src/webrtc/clean-offer.ts";

const needed = [
  ...["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "m=video 9 UDP/TLS/RTP/SAVPF 96"],
  ...["c=IN IP4 0.0.0.0", "a=ice-ufrag:abcd", "a=ice-pwd:0123456789abcdefghijkl", "a=fingerprint:sha-256 AA:BB"],
  ...["a=setup:actpass", "a=mid:0", "a=sendrecv", "a=rtcp-mux", "a=rtpmap:96 VP8/90000", "a=ssrc:1 cname:x"],
];

test("what an answer is made of stays, and what would have the relay speak to others goes", () => {
  const more = [
    ...[
      "a=candidate:1 1 udp 1 victim.example 53 typ host",
      "a=remote-candidates:1 192.0.2.1 53",
      "a=end-of-candidates",
    ],
    ...[
      "a=extmap:1 urn:x",
      "b=AS:1",
      "k=clear:x",
      "a=rid:1 send",
      "a=x\u0000y",
      `a=fmtp:96 ${"x".repeat(2_000)}`,
      "a=",
    ],
  ];
  assert.equal(cleanOffer([...needed, ...more].join("\n")), `${needed.join("\r\n")}\r\n`);
});

test("whatever comes, no line is left that names a candidate or has odd characters, and cleaning twice changes nothing", () => {
  const line = fc.oneof(
    fc.constantFrom(...needed, "a=candidate:1 1 udp 1 192.0.2.1 1 typ host", "A=candidate:1", " a=candidate:1"),
    fc.string({ unit: "binary", maxLength: 60 }),
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom("\n", "\r\n", "\r"), (lines, end) => {
      const cleaned = cleanOffer(lines.join(end));
      assert.doesNotMatch(cleaned, /candidate:/);
      assert.match(cleaned, /^[\x20-\x7e\r\n]*$/);
      assert.equal(cleanOffer(cleaned).trim(), cleaned.trim());
    }),
  );
});
