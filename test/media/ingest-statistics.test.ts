import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createIngestStatistics, type IngestSnapshot, type RestartKind } from "../../src/media/ingest-statistics.ts";
import { readRtp } from "../../src/rtp/demux.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { describeSource } from "../../src/rtp/rtcp/source-description.ts";
import { type CapturedDatagram, capture, readPcap } from "../support/captures.ts";
import { fixture } from "../support/fixtures.ts";

const key = [0x65, 0x88, 0x84];
const slice = [0x41, 0x9a, 0x21];
const codecOf = (): string => "H264";
const clockRateOf = (): number => 90_000;

interface Source {
  readonly ssrc?: number;
  readonly payloadType?: number;
  readonly sequenceNumber?: number;
  readonly atMs?: number;
}

/** Pictures 40 ms apart of two packets each, one key frame in 25. */
function pictures(
  count: number,
  { ssrc = 7, payloadType = 96, sequenceNumber = 1, atMs = 0 }: Source = {},
): CapturedDatagram[] {
  return Array.from({ length: 2 * count }, (_, i) => {
    const picture = i >> 1;
    const head = picture % 25 === 0 ? key : slice;
    const fields = { payloadType, ssrc, marker: i % 2 === 1, sequenceNumber: (sequenceNumber + i) & 0xffff };
    const payload = Uint8Array.from({ length: 988 }, (_, k) => (i % 2 === 0 ? head : [0x41, 0x3a])[k] ?? 0);
    const datagram = encodeRtp({ ...fields, timestamp: picture * 3600 }, payload);
    return { atMs: atMs + picture * 40 + (i % 2), destinationPort: 0, payload: datagram };
  });
}

function take(datagrams: readonly CapturedDatagram[]): { restarts: RestartKind[]; snapshot: IngestSnapshot } {
  const statistics = createIngestStatistics({ codecOf, clockRateOf });
  const restarts = datagrams.flatMap(
    ({ payload, atMs }) => statistics.onPacket(readRtp(payload), payload.length, atMs) ?? [],
  );
  return { restarts, snapshot: statistics.snapshot(datagrams.at(-1)?.atMs ?? 0) };
}

test("a sound stream shows its rates, its pictures and its key frames", () => {
  const { snapshot, restarts } = take(pictures(100, { sequenceNumber: 65_450 }));
  const { bitrate, frameRate, jitterMs, keyFrameIntervalMs, ...rest } = snapshot;
  assert.deepEqual(restarts, []);
  assert.ok(Math.abs(bitrate - 25 * 2 * 1000 * 8) < 20_000, `${bitrate}`);
  assert.equal(frameRate, 25);
  assert.equal(keyFrameIntervalMs, 1000);
  assert.ok(jitterMs < 1);
  assert.deepEqual(rest, {
    ...{ packets: 200, bytes: 200_000, lost: 0, duplicates: 0, reordered: 0, lastKeyFrameAtMs: 3000 },
    ...{ ssrc: 7, payloadType: 96, codec: "H264", restarts: { "same-ssrc": 0, "new-ssrc": 0, "new-port": 0 } },
  });
});

test("loss, duplicates and reordering leave the picture rate as it is", () => {
  const datagrams = pictures(100);
  const [lost] = datagrams.splice(51, 1);
  const [late] = datagrams.splice(80, 1);
  assert.ok(lost && late);
  datagrams.splice(83, 0, late, late);
  const { lost: missing, duplicates, reordered, frameRate } = take(datagrams).snapshot;
  assert.deepEqual(
    { missing, duplicates, reordered, frameRate },
    { missing: 1, duplicates: 1, reordered: 1, frameRate: 25 },
  );
});

test("rates go to nothing when nothing comes", () => {
  const statistics = createIngestStatistics({ codecOf });
  for (const { payload, atMs } of pictures(50)) statistics.onPacket(readRtp(payload), payload.length, atMs);
  assert.equal(statistics.snapshot(2000).frameRate, 25);
  assert.ok(statistics.snapshot(2500).bitrate < 25 * 2 * 1000 * 8 * 0.6);
  const { bitrate, frameRate } = statistics.snapshot(6000);
  assert.deepEqual({ bitrate, frameRate }, { bitrate: 0, frameRate: 0 });
});

test("the bitrate is of the last second only", () => {
  const statistics = createIngestStatistics();
  for (let at = 0; at < 2500; at += 10) statistics.onPacket(undefined, 1_250, at);
  assert.equal(statistics.snapshot(2500).bitrate, 1_000_000);
  for (let at = 2500; at < 5000; at += 10) statistics.onPacket(undefined, 125, at);
  assert.equal(statistics.snapshot(5000).bitrate, 100_000);
});

test("a publisher's new start is named", () => {
  const first = pictures(60);
  const again = pictures(60, { atMs: 3000 });
  assert.deepEqual(take([...first, ...again]).restarts, ["same-ssrc"]);
  const atOnce = pictures(60, { ssrc: 8, sequenceNumber: 500, atMs: 2400 });
  assert.deepEqual(take([...first, ...atOnce]).restarts, ["new-ssrc"]);
  assert.deepEqual(
    take([...first, ...atOnce.slice(0, 1), ...pictures(60, { sequenceNumber: 121, atMs: 2400 })]).restarts,
    [],
  );
  const other = take([...first, ...pictures(60, { ssrc: 8, sequenceNumber: 500, atMs: 3000 })]);
  assert.deepEqual([other.restarts, other.snapshot.ssrc], [["new-ssrc"], 8]);
  assert.deepEqual(other.snapshot.restarts, { "same-ssrc": 0, "new-ssrc": 1, "new-port": 0 });
  const statistics = createIngestStatistics();
  statistics.onNewPort();
  assert.equal(statistics.snapshot(0).restarts["new-port"], 1);
});

test("a pause before a new start is no key-frame interval", () => {
  const { keyFrameIntervalMs } = take([...pictures(60), ...pictures(60, { ssrc: 8, atMs: 60_000 })]).snapshot;
  assert.equal(keyFrameIntervalMs, 1000);
});

test("repair beside the stream is not taken for it", () => {
  const repair = pictures(25, { ssrc: 9, payloadType: 97 }).map((each) => ({ ...each, atMs: each.atMs * 4 + 3 }));
  const both = [...pictures(100), ...repair].sort((a, b) => a.atMs - b.atMs);
  const { restarts, snapshot } = take(both);
  assert.deepEqual(restarts, []);
  const { ssrc, payloadType, frameRate, keyFrameIntervalMs } = snapshot;
  assert.deepEqual(
    { ssrc, payloadType, frameRate, keyFrameIntervalMs },
    { ssrc: 7, payloadType: 96, frameRate: 25, keyFrameIntervalMs: 1000 },
  );
});

test("what is no RTP counts in packets and bytes only", () => {
  const rtcp = encodeRtcp([describeSource(7, "a")]);
  const datagrams = [rtcp, Uint8Array.of(0x47, 1), new Uint8Array(0)].map((payload) => ({
    atMs: 0,
    destinationPort: 0,
    payload,
  }));
  const { packets, bytes, ssrc, codec } = take(datagrams).snapshot;
  assert.deepEqual(
    { packets, bytes, ssrc, codec },
    { packets: 3, bytes: rtcp.length + 2, ssrc: undefined, codec: undefined },
  );
});

test("a real encoder's stream", () => {
  const { frameRate, keyFrameIntervalMs, lost } = take(
    fixture("ffmpeg-h264").filter((each) => each.destinationPort === 0),
  ).snapshot;
  assert.ok(Math.abs(frameRate - 15) < 2.5, `${frameRate}`);
  assert.ok(Math.abs((keyFrameIntervalMs ?? 0) - 1000) < 200, `${keyFrameIntervalMs}`);
  assert.equal(lost, 0);
});

const { path, skip } = capture("mp4box-0.8.1-h264-aac.pcap");

test("MP4Box's stream, started twice", { skip }, () => {
  const video = readPcap(path).filter(({ destinationPort }) => destinationPort === 9099);
  const again = video.map((each) => ({ ...each, atMs: each.atMs + 15_000 }));
  const { restarts, snapshot } = take([...video, ...again]);
  assert.deepEqual(restarts, ["same-ssrc"]);
  assert.ok(Math.abs(snapshot.frameRate - 24) < 1, `${snapshot.frameRate}`);
  assert.equal(snapshot.lost, 0);
});

test("any bytes in any order are counted", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 30 }), fc.nat(5000))), (packets) => {
      const statistics = createIngestStatistics({ codecOf });
      for (const [bytes, at] of packets) statistics.onPacket(readRtp(bytes), bytes.length, at);
      assert.equal(statistics.snapshot(5000).packets, packets.length);
    }),
  );
});
