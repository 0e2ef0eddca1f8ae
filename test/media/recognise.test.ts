import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RecognisedTrack } from "../../src/media/payload-type-recogniser.ts";
import { createRecogniser, type Recogniser } from "../../src/media/recognise.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { describe } from "../../src/sdp/describe.ts";
import { writeSdp } from "../../src/sdp/session.ts";
import { mutatedBytes } from "../support/bytes.ts";
import { type CapturedDatagram, capture, readPcap } from "../support/captures.ts";
import { fixture } from "../support/fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

function recognise(datagrams: readonly CapturedDatagram[], port: number): Recogniser {
  const recogniser = createRecogniser();
  for (const { destinationPort, payload, atMs } of datagrams) {
    if (destinationPort === port) recogniser.onDatagram(payload, atMs);
  }
  return recogniser;
}

/** Packets of one payload type, 20 ms apart. */
function stream(payloads: readonly Uint8Array[], ticks: number, fields = {}): CapturedDatagram[] {
  return payloads.map((payload, i) => {
    const header = { payloadType: 100, marker: false, sequenceNumber: i, timestamp: i * ticks, ssrc: 9, ...fields };
    return { atMs: i * 20, destinationPort: 0, payload: encodeRtp(header, payload) };
  });
}

function onlyTrack(recogniser: Recogniser): RecognisedTrack {
  assert.equal(recogniser.kind(), "rtp");
  const [track, ...others] = recogniser.tracks();
  assert.ok(track);
  assert.deepEqual(others, []);
  return track;
}

test("real senders' codecs are known from seconds of their packets", () => {
  const sets = "Z2QACazZQoR+XARAAAADAEAAAAeDxIllgA==,aO+8sA==";
  const expected = {
    "ffmpeg-h264": [96, "H264", 90_000, `packetization-mode=1;profile-level-id=640009;sprop-parameter-sets=${sets}`],
    "ffmpeg-vp8": [96, "VP8", 90_000, undefined],
    "ffmpeg-vp9": [96, "VP9", 90_000, undefined],
    "gst-vp8": [96, "VP8", 90_000, undefined],
    "gst-vp9": [96, "VP9", 90_000, undefined],
    "libaom-av1": [98, "AV1", 90_000, undefined],
    "ffmpeg-opus": [97, "opus", 48_000, undefined],
  };
  for (const [name, [payloadType, codec, clockRate, fmtp]] of Object.entries(expected)) {
    const recogniser = recognise(fixture(name), 0);
    const { facts } = onlyTrack(recogniser);
    assert.deepEqual(
      [facts?.payloadType, facts?.codec, facts?.clockRate, facts?.fmtp],
      [payloadType, codec, clockRate, fmtp],
      name,
    );
    assert.equal(facts?.kind, codec === "opus" ? "audio" : "video");
    assert.equal(facts?.channels, codec === "opus" ? 2 : undefined);
    assert.ok(recogniser.isSettled(), name);
  }
  const { facts } = onlyTrack(recognise(fixture("ffmpeg-h265"), 0));
  assert.match(facts?.fmtp ?? "", /^sprop-vps=QAEM[^;,]+;sprop-sps=QgEB[^;,]+;sprop-pps=RAHB[^;,]+$/);
  const { facts: refreshed } = onlyTrack(recognise(fixture("ffmpeg-h264-intra-refresh"), 0));
  assert.match(refreshed?.fmtp ?? "", /sprop-parameter-sets=Z2Q/);
});

test("the facts make a description", () => {
  const { facts } = onlyTrack(recognise(fixture("ffmpeg-h264"), 0));
  assert.ok(facts);
  const text = writeSdp(describe({ sessionName: "s", address: "127.0.0.1", basePort: 5000, media: [facts] }));
  assert.match(text, /a=rtpmap:96 H264\/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=640009;sprop/);
});

test("what the packets cannot say is named", () => {
  const missing = (name: string): unknown[] => {
    const { codec, missing, facts } = onlyTrack(recognise(fixture(name), 0));
    return [codec, missing, facts];
  };
  assert.deepEqual(missing("ffmpeg-h264-sets-in-sdp"), ["H264", "parameter-sets", undefined]);
  assert.deepEqual(missing("ffmpeg-aac"), ["mpeg4-generic", "config", undefined]);
  assert.deepEqual(missing("ffmpeg-aac-latm"), ["MP4A-LATM", "config", undefined]);
});

test("the RTCP beside them is told from them", () => {
  for (const name of ["ffmpeg-h264", "ffmpeg-opus"]) {
    const recogniser = recognise(fixture(name), 1);
    assert.equal(recogniser.kind(), "rtcp");
    assert.deepEqual(recogniser.tracks(), []);
  }
});

const { path, skip } = capture("mp4box-0.8.1-h264-aac.pcap");

test("MP4Box's tracks are known, and that its SDP is needed", { skip }, () => {
  const datagrams = readPcap(path);
  const [video, audio] = [9099, 9101].map((port) => onlyTrack(recognise(datagrams, port)));
  assert.deepEqual([video?.codec, video?.clockRate, video?.missing], ["H264", 90_000, "parameter-sets"]);
  assert.deepEqual([audio?.codec, audio?.clockRate, audio?.missing], ["mpeg4-generic", 48_000, "config"]);
  assert.deepEqual(
    [9100, 9102].map((port) => recognise(datagrams, port).kind()),
    ["rtcp", "rtcp"],
  );
});

test("MPEG-TS is known bare, in its static payload type and in a dynamic one", () => {
  const packets = Array.from({ length: 50 }, () => {
    const bytes = new Uint8Array(7 * 188).fill(0x55);
    for (let at = 0; at < bytes.length; at += 188) bytes[at] = 0x47;
    return bytes;
  });
  const bare = packets.map((payload, i) => ({ atMs: i, destinationPort: 0, payload }));
  assert.equal(recognise(bare, 0).kind(), "mpeg-ts");
  for (const payloadType of [33, 96]) {
    const { facts } = onlyTrack(recognise(stream(packets, 1800, { payloadType }), 0));
    assert.deepEqual(facts, { kind: "video", payloadType, codec: "MP2T", clockRate: 90_000 });
  }
});

test("static payload types are known at once", () => {
  const payloads = Array.from({ length: 3 }, () => new Uint8Array(160).fill(0xff));
  const { facts } = onlyTrack(recognise(stream(payloads, 160, { payloadType: 8 }), 0));
  assert.deepEqual(facts, { kind: "audio", payloadType: 8, codec: "PCMA", clockRate: 8000, channels: 1 });
  const mpegAudio = onlyTrack(recognise(stream(payloads, 2160, { payloadType: 14 }), 0));
  assert.equal(mpegAudio.facts?.kind, "audio");
});

test("anything else is other, and nothing is said before there is enough", () => {
  const mavlink = Array.from({ length: 5 }, (_, i) => ({
    atMs: i,
    destinationPort: 0,
    payload: Uint8Array.of(0xfd, 9, 0, 0, i, 1, 1, 0, 0, 0),
  }));
  assert.equal(recognise(mavlink, 0).kind(), "other");
  assert.equal(recognise(mavlink.slice(0, 1), 0).kind(), undefined);
  assert.equal(recognise(stream([new Uint8Array(10), new Uint8Array(10)], 1), 0).kind(), undefined);
  const lookalikes = createSeededRandom(3);
  const noise = Array.from({ length: 400 }, (_, i) => ({ atMs: i, destinationPort: 0, payload: lookalikes.bytes(60) }));
  assert.equal(recognise(noise, 0).kind(), "other");
});

test("a video of hundreds of packets a picture is known after seconds, as any other", () => {
  const perPicture = 300;
  const packets = Array.from({ length: 2 * 25 * perPicture }, (_, i): CapturedDatagram => {
    const [picture, at] = [Math.floor(i / perPicture), i % perPicture];
    const marker = at === perPicture - 1;
    const header = { payloadType: 100, marker, sequenceNumber: i & 0xffff, timestamp: picture * 3600, ssrc: 9 };
    const start = at === 0 ? [0x10, 0x11, 0x14, 0] : [0];
    const payload = Uint8Array.of(...start, ...new Uint8Array(20));
    return { atMs: picture * 40 + at / 10, destinationPort: 0, payload: encodeRtp(header, payload) };
  });
  assert.equal(onlyTrack(recognise(packets, 0)).codec, "VP8");
});

test("payloads that are no codec's, encrypted or plain samples, are not taken for one", () => {
  const random = createSeededRandom(7);
  const sine = (i: number): Uint8Array => {
    const samples = new Int16Array(480).map((_, k) => 9000 * Math.sin((i * 480 + k) * 0.06));
    return new Uint8Array(samples.buffer);
  };
  const count = 1200;
  const payloads: Record<string, (i: number) => Uint8Array> = {
    encrypted: () => random.bytes(200),
    "encrypted, of one length and first byte": () => Uint8Array.of(0x78, ...random.bytes(90)),
    samples: sine,
    silence: () => new Uint8Array(960),
    full: () => new Uint8Array(960).fill(0xff),
    "AMR-WB": () => Uint8Array.of(0xf0, 0x44, ...random.bytes(60)),
  };
  for (const [what, make] of Object.entries(payloads)) {
    for (const ticks of [320, 480, 960, 1800]) {
      for (const marker of [false, true]) {
        // 10 or 20 ms in the first byte and as many ticks are all that Opus shows.
        if ((ticks === 960 && what.endsWith("first byte")) || (ticks === 480 && what === "AMR-WB")) continue;
        const packets = stream(
          Array.from({ length: count }, (_, i) => make(i)),
          ticks,
          { marker },
        );
        const track = onlyTrack(recognise(packets, 0));
        assert.deepEqual([track.codec, track.missing], [undefined, "codec"], `${what}, ${ticks} ticks, ${marker}`);
      }
    }
  }
});

test("each codec is still known with one packet in a hundred lost and a hundredth overtaken", () => {
  for (const name of ["ffmpeg-h264", "ffmpeg-h265", "ffmpeg-vp8", "ffmpeg-vp9", "libaom-av1", "ffmpeg-opus"]) {
    const sent = fixture(name).filter(({ destinationPort }) => destinationPort === 0);
    const arrived = sent.filter((_, i) => i % 100 !== 40);
    const [overtaken] = arrived.splice(30, 1);
    assert.ok(overtaken);
    arrived.splice(32, 0, overtaken);
    assert.ok(onlyTrack(recognise(arrived, 0)).codec, name);
  }
});

test("a picture's last packet is marked, or none is", () => {
  const marked = (mark: (i: number) => boolean): string | undefined => {
    const sent = fixture("ffmpeg-vp8").filter(({ destinationPort }) => destinationPort === 0);
    sent.forEach(({ payload }, i) => {
      payload[1] = ((payload[1] ?? 0) & 0x7f) | (mark(i) ? 0x80 : 0);
    });
    return onlyTrack(recognise(sent, 0)).codec;
  };
  assert.equal(
    marked(() => false),
    "VP8",
  );
  assert.equal(
    marked((i) => i % 3 === 0),
    undefined,
  );
});

test("a publisher's payload types are told apart, the busiest first", () => {
  const opus = fixture("ffmpeg-opus").filter(({ destinationPort }) => destinationPort === 0);
  const video = fixture("ffmpeg-h264").filter(({ destinationPort }) => destinationPort === 0);
  const both = [...opus, ...video].sort((a, b) => a.atMs - b.atMs);
  const tracks = recognise(both, 0).tracks();
  assert.deepEqual(
    tracks.map(({ payloadType, codec }) => [payloadType, codec]),
    [
      [97, "opus"],
      [96, "H264"],
    ],
  );
});

test("hostile datagrams neither throw nor make it grow", () => {
  const real = ["ffmpeg-h264", "ffmpeg-h265", "gst-vp9", "ffmpeg-aac", "libaom-av1"].flatMap((name) =>
    fixture(name).slice(0, 30),
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    mutatedBytes(fc.constantFrom(...real.map(({ payload }) => payload))),
  );
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 60 }), (datagrams) => {
      const recogniser = createRecogniser();
      datagrams.forEach((datagram, i) => {
        recogniser.onDatagram(datagram, i * 10);
      });
      assert.ok(recogniser.tracks().length <= 8);
      recogniser.isSettled();
    }),
  );
});
