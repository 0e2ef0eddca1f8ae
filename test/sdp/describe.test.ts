import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, type SessionDescription } from "../../src/sdp/describe.ts";
import { writeSdp } from "../../src/sdp/session.ts";

const session: SessionDescription = {
  sessionName: "clip",
  address: "192.0.2.7",
  basePort: 9099,
  media: [
    {
      kind: "video",
      payloadType: 96,
      codec: "H264",
      clockRate: 90_000,
      fmtp: "packetization-mode=1",
      bitrate: 800_001,
    },
    { kind: "audio", payloadType: 97, codec: "opus", clockRate: 48_000, channels: 2 },
  ],
};

test("a session is written as ffmpeg reads it", () => {
  assert.deepEqual(writeSdp(describe(session)).split("\r\n"), [
    "v=0",
    "o=- 0 0 IN IP4 192.0.2.7",
    "s=clip",
    "c=IN IP4 192.0.2.7",
    "t=0 0",
    "m=video 9099 RTP/AVP 96",
    "b=AS:801",
    "a=rtpmap:96 H264/90000",
    "a=fmtp:96 packetization-mode=1",
    "m=audio 9101 RTP/AVP 97",
    "a=rtpmap:97 opus/48000/2",
    "",
  ]);
});

test("IPv6 is declared, and a name cannot bring lines of its own", () => {
  const text = writeSdp(describe({ ...session, address: "2001:db8::1", sessionName: "a\r\nm=video 1 RTP/AVP 1" }));
  assert.match(text, /^c=IN IP6 2001:db8::1\r$/m);
  assert.match(text, /^s=a m=video 1 RTP\/AVP 1\r$/m);
});

test("what fits no line is refused", () => {
  const [video] = session.media;
  assert.ok(video);
  assert.throws(() => describe({ ...session, media: [] }), { code: "BAD_SDP" });
  assert.throws(() => describe({ ...session, basePort: 65_536 }), { code: "BAD_SDP" });
  assert.throws(() => describe({ ...session, media: [{ ...video, payloadType: 128 }] }), { code: "BAD_SDP" });
  assert.throws(() => describe({ ...session, media: [{ ...video, clockRate: 0 }] }), { code: "BAD_SDP" });
  assert.throws(() => describe({ ...session, address: "a b" }), { code: "BAD_SDP" });
});
