import assert from "node:assert/strict";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { readSdp, type Sdp } from "../../src/sdp/session.ts";
import { playerCommands, playerNames, refuseForVlc } from "../../src/watch/player-commands.ts";
import { type StreamSource, sourceFromPacket } from "../../src/watch/stream-source.ts";

const head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
const h264 = readSdp(
  `${head}m=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0IA,aM4=\r\n` +
    "m=audio 5006 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n",
);
const mpegTs = readSdp(`${head}m=video 5004 RTP/AVP 33\r\n`);

const described = (sdp: Sdp): StreamSource => ({ kind: "sdp", sdp });
const bare: StreamSource = { kind: "mpegts" };

test("each player opens the SDP file, or bare MPEG-TS at its port", () => {
  for (const name of playerNames) {
    const { args } = playerCommands[name];
    const ofSdp = args({ port: 5004, source: described(h264), sdpPath: "/tmp/x.sdp" }).join(" ");
    if (name === "gst") assert.match(ofSdp, /port=5004 .* port=5006 /);
    else assert.match(ofSdp, /\/tmp\/x\.sdp/);
    assert.match(args({ port: 5008, source: bare, sdpPath: undefined }).join(" "), /5008/);
  }
});

test("ffplay keeps what it looked at: the key frame that a late player is given is in there", () => {
  assert.ok(!playerCommands.ffplay.args({ port: 5004, source: bare, sdpPath: undefined }).includes("nobuffer"));
});

test("GStreamer gets caps with every parameter, quoted", () => {
  const args = playerCommands.gst.args({ port: 5004, source: described(h264), sdpPath: "/tmp/x.sdp" });
  const [video, audio] = args.filter((arg) => arg.startsWith("caps="));
  assert.equal(
    video,
    'caps=application/x-rtp,media=(string)video,payload=(int)96,clock-rate=(int)90000,encoding-name=(string)"H264",packetization-mode=(string)"1",sprop-parameter-sets=(string)"Z0IA,aM4="',
  );
  assert.match(audio ?? "", /encoding-name=\(string\)"OPUS",encoding-params=\(string\)"2"$/);
  const ofTs = playerCommands.gst.args({ port: 5004, source: described(mpegTs), sdpPath: "/tmp/x.sdp" });
  assert.ok(ofTs.includes("autovideosink") && ofTs.includes("autoaudiosink"));
});

test("VLC plays MPEG-TS without an SDP; anything else needs live555, and a sentence says what to take instead", () => {
  const locationOf = (source: StreamSource): string | undefined =>
    playerCommands.vlc.args({ port: 5004, source, sdpPath: "/tmp/x.sdp" }).at(-1);
  assert.equal(locationOf(bare), "udp://@127.0.0.1:5004");
  assert.equal(locationOf(described(mpegTs)), "rtp://@127.0.0.1:5004");
  assert.equal(locationOf(described(h264)), "/tmp/x.sdp");
  refuseForVlc(bare, false);
  refuseForVlc(described(mpegTs), false);
  refuseForVlc(described(h264), true);
  assert.throws(
    () => refuseForVlc(described(h264), false),
    (error) =>
      error instanceof PunchcastError &&
      error.code === "BAD_OPTION" &&
      /H264 and opus.*--player mpv/.test(error.message),
  );
});

test("MPEG-TS is known by its first packet, bare or in RTP; anything else is not", () => {
  const ts = new Uint8Array(7 * 188);
  for (let at = 0; at < ts.length; at += 188) ts[at] = 0x47;
  assert.deepEqual(sourceFromPacket(ts), bare);
  assert.equal(sourceFromPacket(ts.subarray(1)), undefined);
  const rtp = (payloadType: number): Uint8Array =>
    encodeRtp({ payloadType, marker: false, sequenceNumber: 1, timestamp: 1, ssrc: 1 }, ts);
  const source = sourceFromPacket(rtp(33));
  assert.equal(source?.kind === "sdp" && source.sdp.media[0]?.formats[0]?.codec, "MP2T");
  assert.equal(sourceFromPacket(rtp(96)), undefined);
});
