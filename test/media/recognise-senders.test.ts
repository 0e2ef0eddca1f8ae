import assert from "node:assert/strict";
import { test } from "node:test";
import { createRecogniser } from "../../src/media/recognise.ts";
import { needs } from "../support/needs.ts";
import { recordStream } from "../support/record-stream.ts";
import { senders } from "../support/senders.ts";

/** What is found out of each sender: wire kind, codec, what is missing. */
const expected: Readonly<Record<string, readonly unknown[]>> = {
  "ffmpeg-h264": ["rtp", "H264", undefined],
  "ffmpeg-h264-repeated-sets": ["rtp", "H264", undefined],
  "ffmpeg-h264-sets-in-sdp": ["rtp", "H264", "parameter-sets"],
  "ffmpeg-h264-intra-refresh": ["rtp", "H264", undefined],
  "ffmpeg-h265": ["rtp", "H265", undefined],
  "ffmpeg-vp8": ["rtp", "VP8", undefined],
  "ffmpeg-vp9": ["rtp", "VP9", undefined],
  "ffmpeg-opus": ["rtp", "opus", undefined],
  "ffmpeg-aac": ["rtp", "mpeg4-generic", "config"],
  "ffmpeg-aac-latm": ["rtp", "MP4A-LATM", "config"],
  "ffmpeg-pcmu": ["rtp", "PCMU", undefined],
  "ffmpeg-rtp-mpegts": ["rtp", "MP2T", undefined],
  "ffmpeg-mpegts": ["mpeg-ts", undefined, undefined],
  "gst-h264": ["rtp", "H264", undefined],
  "gst-vp8": ["rtp", "VP8", undefined],
  "gst-vp9": ["rtp", "VP9", undefined],
  "gst-opus": ["rtp", "opus", undefined],
};

async function findOut(name: string): Promise<readonly unknown[]> {
  const command = senders[name];
  assert.ok(command);
  const recogniser = createRecogniser();
  for (const { destinationPort, payload, atMs } of await recordStream(command)) {
    if (destinationPort === 0) recogniser.onDatagram(payload, atMs);
  }
  const [track] = recogniser.tracks();
  assert.equal(track?.facts?.codec, track?.missing === undefined ? track?.codec : undefined);
  return [recogniser.kind(), track?.codec, track?.missing];
}

for (const [program, prefix] of [
  ["ffmpeg", "ffmpeg-"],
  ["gst-launch-1.0", "gst-"],
] as const) {
  // They send in real time and take next to no CPU, so all at once.
  test(`what ${program} sends over loopback is recognised`, needs(program, "ffmpeg"), async () => {
    const names = Object.keys(expected).filter((name) => name.startsWith(prefix));
    const found = await Promise.all(names.map(async (name) => [name, await findOut(name)] as const));
    assert.deepEqual(Object.fromEntries(found), Object.fromEntries(names.map((name) => [name, expected[name]])));
  });
}
