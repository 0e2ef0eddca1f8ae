import assert from "node:assert/strict";
import { test } from "node:test";
import { readSdp, type Sdp } from "../../src/sdp/session.ts";
import { answerPublisher, answerViewer } from "../../src/webrtc/negotiate.ts";
import { playable } from "../../src/webrtc/playable.ts";

const h264 = (type: number, mode: number, profile: string): string[] => [
  `a=rtpmap:${type} H264/90000`,
  `a=fmtp:${type} level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`,
];

function offer(...media: readonly string[][]): Sdp {
  return readSdp(["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", ...media.flat(), ""].join("\r\n"));
}

const sound = ["m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "a=mid:0", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 stereo=1"];
const picture = [
  "m=video 9 UDP/TLS/RTP/SAVPF 96 104 102 116",
  ...[
    "a=mid:v",
    "a=rtpmap:96 VP8/90000",
    ...h264(104, 0, "42001f"),
    ...h264(102, 1, "42001f"),
    ...h264(116, 1, "4d001f"),
  ],
];

const video = { kind: "video", component: 0, codec: "H264" } as const;
const opus = { kind: "audio", component: 2, codec: "opus" } as const;

test("a viewer gets each track on a line of its kind, in the profile that fits best", () => {
  const main = { ...video, fmtp: "profile-level-id=4D401F;packetization-mode=1" };
  const media = answerViewer(offer(sound, picture), [main, opus]);
  assert.ok(typeof media !== "string");
  assert.deepEqual(
    media.map(({ mid, component, isIdle, format }) => [mid, component, isIdle, format.payloadType]),
    [
      ["0", 2, false, 111],
      ["v", 0, false, 116],
    ],
  );
  const high = answerViewer(offer(picture), [{ ...video, fmtp: "profile-level-id=640028" }]);
  assert.ok(typeof high !== "string" && high[0]?.format.payloadType === 102);
});

test("lines for which there is nothing are idle; if all are, the offer is refused", () => {
  const media = answerViewer(offer(sound, picture), [video]);
  assert.ok(typeof media !== "string");
  assert.deepEqual(
    media.map(({ isIdle }) => isIdle),
    [true, false],
  );
  assert.equal(answerViewer(offer(sound), [video]), "no-common-codec");
  assert.equal(answerViewer(offer(["m=application 9 UDP/DTLS/SCTP webrtc-datachannel"]), [video]), "no-media");
  assert.equal(answerViewer(offer(["m=video 9 RTP/AVP 96", "a=rtpmap:96 VP8/90000"]), [video]), "no-mid");
});

test("a publisher's video comes first, whatever its offer's order, and what has no room is idle", () => {
  const media = answerPublisher(offer(sound, picture), 4);
  assert.ok(typeof media !== "string");
  assert.deepEqual(
    media.map(({ component, format }) => [component, format.codec]),
    [
      [2, "opus"],
      [0, "VP8"],
    ],
  );
  const one = answerPublisher(offer(sound, picture), 2);
  assert.ok(typeof one !== "string");
  assert.deepEqual(
    one.map(({ isIdle }) => isIdle),
    [true, false],
  );
});

test("what no browser plays is said with the sender's cure, and the rest plays", () => {
  const film = readSdp(
    [
      ...["v=0", "m=video 9099 RTP/AVP 96", "a=rtpmap:96 H264/90000"],
      ...["m=audio 9101 RTP/AVP 97", "a=rtpmap:97 mpeg4-generic/48000/2"],
    ].join("\n"),
  );
  const { tracks, outlook } = playable(film, []);
  assert.deepEqual(
    tracks.map(({ codec, component }) => [codec, component]),
    [["H264", 0]],
  );
  assert.deepEqual(
    outlook.map(({ plays }) => plays),
    ["yes", "no"],
  );
  assert.match(outlook[1]?.message ?? "", /sound is AAC.*send Opus.*-c:a libopus/);
  const reordered = playable(film, [], new Set([0]));
  assert.match(reordered.outlook[0]?.message ?? "", /B-frames.*-bf 0/);
  assert.equal(reordered.tracks.length, 1);
});

test("without an SDP the packets tell, track by track", () => {
  const h265 = { kind: "video", payloadType: 96, codec: "H265", clockRate: 90_000 } as const;
  const { tracks, outlook } = playable(undefined, [
    h265,
    { missing: "config", payloadType: 97, codec: "mpeg4-generic" },
  ]);
  assert.deepEqual(
    tracks.map(({ codec }) => codec),
    ["H265"],
  );
  assert.deepEqual(
    outlook.map(({ plays, kind }) => [kind, plays]),
    [
      ["video", "depends"],
      ["audio", "no"],
    ],
  );
  const others = playable(undefined, [
    { bare: "mpeg-ts" },
    undefined,
    { missing: "evidence", payloadType: 98 },
    { missing: "parameter-sets", payloadType: 96, codec: "H264" },
    { missing: "codec", payloadType: 99 },
  ]);
  assert.equal(others.tracks.length, 0);
  assert.deepEqual(
    others.outlook.map(({ plays }) => plays),
    ["no", "not-yet", "not-yet", "no", "no"],
  );
  assert.ok(others.outlook.every(({ message }) => message?.endsWith(".")));
});
