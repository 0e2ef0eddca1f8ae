import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRtp, encodeRtp } from "../../src/rtp/header.ts";
import { ntpFromWallMs } from "../../src/rtp/ntp.ts";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { createStreamMedia, type StreamMedia, type StreamMediaOptions } from "../../src/server/stream-media.ts";
import { mediaSsrc, numberOf, packet } from "../media/support.ts";
import { fixture } from "../support/fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const h264 = { kind: "video", codec: "H264", clockRate: 90_000 } as const;

interface Rig extends StreamMedia {
  /** What viewers were told in place of reports, and how the publisher began anew. */
  readonly reports: { readonly component: number; readonly bytes: Uint8Array }[];
  readonly restarts: (readonly [number, string])[];
  /** How often an SDP was looked at. */
  lookUps(): number;
  /** A picture a packet, 40 ms apart, from this number on; a key frame every tenth. Returns when the last one came. */
  play(count: number, from?: number, fromMs?: number): number;
  /** Plays a fixture from this time on, under this SSRC. Returns when its last packet came. */
  playFixture(name: string, fromMs: number, ssrc: number): number;
}

function rig(options: Partial<StreamMediaOptions> = {}): Rig {
  const [reports, restarts]: [Rig["reports"], Rig["restarts"]] = [[], []];
  let lookUps = 0;
  const media = createStreamMedia({
    ...{ random: createSeededRandom(1), cname: "relay", cache: true },
    described() {
      lookUps += 1;
      return h264;
    },
    report: (component, bytes) => void reports.push({ component, bytes }),
    onRestart: (component, kind) => void restarts.push([component, kind]),
    ...options,
  });
  return {
    ...{ ...media, reports, restarts },
    lookUps: () => lookUps,
    play(count, from = 0, fromMs = 0) {
      for (let i = 0; i < count; i += 1) media.onPacket(0, picture(from + i, i % 10 === 0), fromMs + i * 40);
      return fromMs + (count - 1) * 40;
    },
    playFixture(name, fromMs, ssrc) {
      let lastMs = fromMs;
      for (const { payload, atMs, destinationPort } of fixture(name)) {
        const read = decodeRtp(payload);
        if (destinationPort !== 0 || !read.ok) continue;
        lastMs = fromMs + atMs;
        media.onPacket(0, encodeRtp({ ...read.value, ssrc }, read.value.payload), lastMs);
      }
      return lastMs;
    },
  };
}

/** A picture in one slice: of a key frame, or one that refers to others. */
function picture(number: number, isKey: boolean): Uint8Array {
  const fields = { payloadType: 96, marker: true, sequenceNumber: number & 0xffff, ssrc: mediaSsrc };
  return encodeRtp({ ...fields, timestamp: number * 3_600 }, Uint8Array.of(isKey ? 0x65 : 0x41, 0x88, number & 0xff));
}

function past(media: StreamMedia, now: number): number[] | undefined {
  const kept = media.pastOf(0, now);
  const numbers: number[] = [];
  for (let cursor = kept?.start(); cursor !== undefined; ) {
    const read = kept?.read(cursor);
    if (read !== undefined) numbers.push(numberOf(read.bytes));
    cursor = read?.next;
  }
  return kept && numbers;
}

test("newcomers are shown what came since the last key frame, for as long as something comes", () => {
  const media = rig();
  const lastMs = media.play(26);
  assert.deepEqual(past(media, lastMs + 2_000), [20, 21, 22, 23, 24, 25]);
  assert.equal(past(media, lastMs + 2_001), undefined, "an old picture would pass for a new one");
  assert.equal(media.wire(lastMs + 2_001), undefined);
  const without = rig({ cache: false });
  assert.equal(past(without, without.play(26)), undefined);
  const unknown = rig({ described: () => ({ kind: "video", codec: "JPEG", clockRate: 90_000 }) });
  assert.equal(past(unknown, unknown.play(26)), undefined, "nobody knows its key frames");
});

test("a publisher that begins anew is named, and looked at as if it had never been there", () => {
  const { playFixture, restarts, wire, ingest } = rig({ described: () => undefined });
  const first = playFixture("ffmpeg-h264", 0, 1);
  const trackAt = (now: number): unknown => wire(now)?.tracks[0];
  assert.match(JSON.stringify(trackAt(first)), /"codec":"H264"/);
  const second = playFixture("ffmpeg-vp8", first + 1_000, 2);
  assert.deepEqual(restarts, [[0, "new-ssrc"]]);
  assert.match(JSON.stringify(trackAt(second)), /"codec":"VP8"/);
  assert.equal(ingest(0, second)?.restarts["new-ssrc"], 1);
});

test("a report that cannot be mended yet is kept back, and told with the media that shows the time", () => {
  const { onReport, play, reports, pastOf } = rig();
  const report = encodeRtcp([
    {
      ...{ type: "sender-report", ssrc: mediaSsrc, ntp: ntpFromWallMs(1_790_000_000_000) },
      ...{ rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] },
    },
  ]);
  const instead = decodeRtcp(onReport(1, report, 0));
  assert.deepEqual(instead.ok && instead.value, [{ type: "receiver-report", ssrc: mediaSsrc, reports: [] }]);
  assert.equal(reports.length, 0);
  const lastMs = play(5, 0, 10);
  assert.deepEqual(
    reports.map(({ component }) => component),
    [1],
  );
  const told = decodeRtcp(reports[0]?.bytes ?? new Uint8Array());
  assert.ok(told.ok && told.value[0]?.type === "sender-report");
  const shown = pastOf(1, lastMs);
  assert.deepEqual(shown?.read(shown.start() ?? -1)?.bytes, reports[0]?.bytes, "newcomers get it, too");
});

test("a viewer asks from either socket of a track, and gets the track's packets", () => {
  const { play, onFeedback, tracks } = rig();
  const lastMs = play(20);
  const nack = encodeRtcp([{ type: "nack", senderSsrc: 1, mediaSsrc, sequenceNumbers: [7, 8] }]);
  for (const component of [0, 1]) {
    const got: number[] = [];
    onFeedback({ id: `hole-${component}`, component }, nack, lastMs, (bytes) => got.push(numberOf(bytes)));
    assert.deepEqual(got, [7, 8]);
  }
  onFeedback({ id: "hole-2", component: 2 }, nack, lastMs, () => assert.fail("of another track"));
  assert.deepEqual(tracks()[0]?.[1].counters(), { resent: 4, refused: 0 });
});

test("a viewer that is gone counts no more on any track", () => {
  const media = rig();
  const lastMs = media.play(5);
  media.onPacket(2, packet(1, { ssrc: 9 }), lastMs);
  for (const [component, ssrc] of [[0, mediaSsrc] as const, [2, 9] as const]) {
    const block = { ssrc, fractionLost: 9, cumulativeLost: 1, highestSequenceNumber: 1, jitter: 0 };
    const reports = [{ ...block, lastSenderReport: 0, delaySinceSenderReport: 0 }];
    const report = encodeRtcp([{ type: "receiver-report", ssrc: 1, reports }]);
    media.onFeedback({ id: "a", component }, report, lastMs, () => assert.fail());
  }
  const counts = (): number[] => media.tracks().map(([, track]) => track.viewers(lastMs).viewers);
  assert.deepEqual(counts(), [1, 1]);
  media.forget("a");
  assert.deepEqual(counts(), [0, 0]);
});

test("RTCP for the publisher says of which track it is, and a key frame serves who asked for one", () => {
  const media = rig();
  let now = media.play(5);
  const due = (): (readonly [number, string | undefined])[] =>
    media.poll(now).map(({ component, bytes }) => {
      const packets = decodeRtcp(bytes);
      return [component, packets.ok ? packets.value[0]?.type : undefined] as const;
    });
  media.welcome(0);
  media.welcome(4);
  assert.deepEqual(due(), [[0, "pli"]]);
  media.welcome(0);
  now = media.play(1, 5, now + 40) + 1_000;
  assert.deepEqual(due(), []);
});

test("SDPs are looked up four times a second for each payload type, however they alternate", () => {
  const { onPacket, lookUps } = rig();
  for (let i = 0; i < 1_000; i += 1) {
    const beside = packet(i, { ssrc: 9, payloadType: 97, timestamp: i * 90 });
    onPacket(0, i % 2 === 0 ? packet(i, { timestamp: i * 90 }) : beside, i);
  }
  assert.ok(lookUps() <= 10, `${lookUps()}`);
});
