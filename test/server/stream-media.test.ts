import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "../../src/core/random.ts";
import { wallMsFromNtp } from "../../src/rtp/ntp.ts";
import { decodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { createStreamMedia, type StreamMedia } from "../../src/server/stream-media.ts";
import { capture, readPcap } from "../support/captures.ts";
import { fixture } from "../support/fixtures.ts";

/** A stream of which no SDP tells, with what its viewers get in place of reports. */
function undescribed(): { readonly media: StreamMedia; readonly told: [component: number, bytes: Uint8Array][] } {
  const told: [number, Uint8Array][] = [];
  const media = createStreamMedia({
    ...{ random: systemRandom, cname: "relay", cache: true },
    described: () => undefined,
    report: (component, bytes) => told.push([component, bytes]),
    onRestart: () => {},
  });
  return { media, told };
}

test("a newcomer gets the first key frame too, though its codec was not known when it came", () => {
  const { media } = undescribed();
  const packets = fixture("ffmpeg-h264").filter(({ destinationPort, atMs }) => destinationPort === 0 && atMs < 900);
  let knownAtMs = Number.NaN;
  for (const { payload, atMs } of packets) {
    media.onPacket(0, payload, atMs);
    if (Number.isNaN(knownAtMs) && media.pastOf(0, atMs)?.start() !== undefined) knownAtMs = atMs;
  }
  assert.ok(knownAtMs > 0, "the codec takes a few packets");
  const past = media.pastOf(0, 900);
  const got: Uint8Array[] = [];
  for (let cursor = past?.start(); cursor !== undefined; ) {
    const packet = past?.read(cursor);
    if (packet !== undefined) got.push(packet.bytes.slice());
    cursor = packet?.next;
  }
  assert.deepEqual(
    got,
    packets.map(({ payload }) => payload),
  );
});

const mp4box = capture("mp4box-0.8.1-h264-aac.pcap");

test("MP4Box started twice, with no SDP: picture and sound are told in step both times", mp4box, () => {
  const { media, told } = undescribed();
  const startsMs: number[][] = [[], []];
  const ticksAMs = [90, 48];
  for (const startMs of [0, 6_200]) {
    for (const { payload, atMs, destinationPort } of readPcap(mp4box.path)) {
      if (startMs === 0 && atMs > 5_100) break;
      const component = destinationPort - 9099;
      if (component % 2 === 0) media.onPacket(component, payload, startMs + atMs);
      else told.push([component, media.onReport(component, payload, startMs + atMs)]);
      for (const [of, bytes] of told.splice(0)) {
        const packets = decodeRtcp(bytes);
        for (const each of packets.ok ? packets.value : []) {
          if (each.type !== "sender-report") continue;
          const mediaMs = each.rtpTimestamp / (ticksAMs[of >> 1] ?? 1);
          startsMs[of >> 1]?.push(wallMsFromNtp(each.ntp) - mediaMs);
        }
      }
    }
  }
  const [video = [], audio = []] = startsMs;
  assert.ok(video.length >= 4 && audio.length >= 3);
  const middle = (starts: readonly number[]): number => (Math.min(...starts) + Math.max(...starts)) / 2;
  for (const starts of [video, audio]) assert.ok(Math.max(...starts) - Math.min(...starts) < 5, `${starts}`);
  // The file's first picture is shown 83 ms after the timestamp 0 that sound begins with.
  assert.ok(Math.abs(middle(audio) - middle(video) - 83) < 20, `${video} and ${audio}`);
});
