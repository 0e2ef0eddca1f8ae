import assert from "node:assert/strict";
import { test } from "node:test";
import { infer, isContradicted, playerUrlOf, type WireTrack } from "../../src/sdp/infer.ts";
import { readSdp, writeSdp } from "../../src/sdp/session.ts";
import { mp4boxLike } from "./examples.ts";

const h264: WireTrack = {
  ...{ kind: "video", payloadType: 96, codec: "H264", clockRate: 90_000 },
  fmtp: "packetization-mode=1; sprop-parameter-sets=Z2QAHqzZ,aO+P",
};
const opus: WireTrack = { kind: "audio", payloadType: 111, codec: "opus", clockRate: 48_000, channels: 2 };
const aac: WireTrack = { missing: "config", payloadType: 97, codec: "mpeg4-generic" };

/** What is inferred of these tracks, long after the publisher began. */
const late = (...tracks: WireTrack[]): ReturnType<typeof infer> => infer({ name: "live", tracks, liveMs: 60_000 });

function message(inference: ReturnType<typeof infer>, kind: "pending" | "missing"): string {
  assert.equal(inference.kind, kind);
  return "message" in inference ? inference.message : "";
}

test("known tracks become an SDP in the components' order, silent ones behind them are left out", () => {
  const inference = late(h264, opus, undefined);
  assert.ok(inference.kind === "sdp");
  const text = writeSdp(inference.sdp);
  assert.match(text, /m=video 5004 RTP\/AVP 96\r\na=rtpmap:96 H264\/90000\r\na=fmtp:96 packetization-mode=1; sprop-/);
  assert.match(text, /m=audio 5006 RTP\/AVP 111\r\na=rtpmap:111 opus\/48000\/2\r\n$/);
  assert.deepEqual(readSdp(text).media.length, 2);
});

test("a track that may still begin is waited for 2 s, no longer", () => {
  const at = (liveMs: number): string => infer({ name: "live", tracks: [h264, undefined], liveMs }).kind;
  assert.deepEqual([at(0), at(1_999), at(2_000)], ["pending", "pending", "sdp"]);
  assert.match(message(infer({ name: "live", tracks: [undefined, opus], liveMs: 0 }), "pending"), /track 1/);
  assert.match(message(late(undefined, opus), "missing"), /^Track 1 is silent.*--sdp FILE/);
});

test("what will never be on the wire is named with what to supply and where", () => {
  assert.equal(
    message(late(h264, aac), "missing"),
    "Track 2 is AAC: its configuration is not on the wire. Save the sender's SDP and start the relay with --sdp FILE, " +
      "or PUT it to /streams/live.sdp on the relay's HTTP port with the publish key.",
  );
  const sets = message(late({ missing: "parameter-sets", payloadType: 96, codec: "H265" }, aac), "missing");
  assert.match(sets, /^Track 1 is H\.265: its parameter sets .*h264_mp4toannexb.*config-interval.* Track 2 is AAC/);
  assert.equal(sets.split("--sdp FILE").length, 2);
  assert.match(
    message(late({ missing: "codec", payloadType: 99 }), "missing"),
    /^Track 1 \(payload type 99\) is in no/,
  );
});

test("too little to tell is pending, and nobody at all too", () => {
  assert.match(message(late({ missing: "evidence" }), "pending"), /Too little of track 1/);
  assert.match(message(late(h264, { missing: "evidence" }), "pending"), /track 2/);
  assert.match(message(late(), "pending"), /Nobody sends/);
  assert.match(message(late(undefined, undefined), "pending"), /Nobody sends/);
});

test("MPEG-TS: bare it has a URL and no SDP, in RTP both, and no second track is waited for", () => {
  const bare = late({ bare: "mpeg-ts" });
  assert.equal(bare.kind === "url" && bare.playerUrl(5600), "udp://@:5600");
  const mp2t: WireTrack = { kind: "video", payloadType: 33, codec: "MP2T", clockRate: 90_000 };
  const inRtp = infer({ name: "live", tracks: [mp2t, undefined], liveMs: 0 });
  assert.ok(inRtp.kind === "sdp");
  assert.equal(playerUrlOf(inRtp.sdp, 5600), "rtp://@:5600");
  assert.equal(playerUrlOf(readSdp(mp4boxLike), 5600), undefined);
  assert.match(message(late({ bare: "other" }), "missing"), /neither RTP nor MPEG-TS/);
  assert.match(message(late(h264, { bare: "other" }), "missing"), /^Track 2 is not RTP/);
});

test("packets of a payload type that a description does not name contradict it", () => {
  const sdp = readSdp(mp4boxLike);
  assert.equal(isContradicted(sdp, [h264, aac]), false);
  assert.equal(isContradicted(sdp, []), false);
  assert.equal(isContradicted(sdp, [{ missing: "evidence" }]), false);
  assert.equal(isContradicted(sdp, [h264, opus]), true);
  assert.equal(isContradicted(sdp, [{ missing: "codec", payloadType: 99 }]), true);
});
