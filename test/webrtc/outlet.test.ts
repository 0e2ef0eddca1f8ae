import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeRtp, encodeRtp, type RtpPacket } from "../../src/rtp/header.ts";
import { middle32, wallMsFromNtp } from "../../src/rtp/ntp.ts";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { createFeed, type Feed } from "../../src/webrtc/feed.ts";
import type { FedTrack } from "../../src/webrtc/messages.ts";
import { createOutlet, type Outlet } from "../../src/webrtc/outlet.ts";
import { fixture } from "../support/fixtures.ts";

const video: FedTrack = { kind: "video", payloadType: 96, codec: "VP8", clockRate: 90_000, component: 0 };
const ssrc = 0x1234;
const offset = 5_000;
const perFrame = 3_000;
/** Of frame 0: not 0, which no publisher's first packet has when it has passed the continuity. */
const epoch = 90_000;

/** A VP8 packet: a whole frame. */
function frame(number: number, isKey: boolean, sequence = number): Uint8Array {
  const payload = new Uint8Array(40).fill(number);
  payload[0] = 0x10;
  payload.set(isKey ? [0x00, 0, 0, 0x9d, 0x01, 0x2a] : [0x01], 1);
  const fields = {
    payloadType: 96,
    marker: true,
    sequenceNumber: sequence & 0xffff,
    timestamp: epoch + number * perFrame,
    ssrc: 9,
  };
  return encodeRtp(fields, payload);
}

interface Rig {
  readonly feed: Feed;
  readonly outlet: Outlet;
  readonly sent: RtpPacket[];
  readonly reports: Uint8Array[];
  readonly wishes: () => number;
}

function rig(isOpen: () => boolean = () => true): Rig {
  const sent: RtpPacket[] = [];
  const reports: Uint8Array[] = [];
  let wished = 0;
  const feed = createFeed({ tracks: [video], wallNow: () => 1_000_000, onGrown: () => {}, onBFrames: () => {} });
  const lane = feed.lanes.get(0);
  assert.ok(lane !== undefined);
  const outlet = createOutlet({
    ...{ lane, cache: feed.cache, ssrc, cname: "c", payloadType: 120 },
    firstSequenceNumber: 65_530,
    timestampOffset: (offset - epoch) >>> 0,
    send(bytes) {
      const packet = decodeRtp(bytes);
      if ((bytes[1] ?? 0) === 200) reports.push(bytes);
      else if (packet.ok) sent.push({ ...packet.value, payload: Uint8Array.from(packet.value.payload) });
      return isOpen();
    },
    wantKeyFrame: () => {
      wished += 1;
    },
  });
  return { feed, outlet, sent, reports, wishes: () => wished };
}

/** Frames `from` to `to`, one every 33 ms from frame 0 at 0 ms; a key frame every 30. */
function push(feed: Feed, from: number, to: number): void {
  for (let i = from; i <= to; i += 1) feed.push(0, frame(i, i % 30 === 0), i * 33);
}

const numbers = (packets: readonly RtpPacket[]): number[] => packets.map(({ sequenceNumber }) => sequenceNumber);

describe("outlet", () => {
  test("a newcomer sees all since the last key frame, four times as fast and as if it were now, then what comes", () => {
    const { feed, outlet, sent } = rig();
    push(feed, 0, 50);
    const begin = 50 * 33;
    for (let now = begin, next = 51; now < begin + 500; now += 5) {
      for (; next * 33 <= now; next += 1) push(feed, next, next);
      outlet.pump(now);
      const [last] = sent.slice(-1);
      // Media and the browser's clock run alike: what is shown now bears the present's timestamp.
      const present = (now / 33) * perFrame + offset;
      assert.ok(Math.abs((last?.timestamp ?? 0) - present) < 2 * perFrame, `${last?.timestamp} ${present}`);
      if (now === begin) assert.equal(sent.length, 1);
      if (now === begin + 100) assert.ok(sent.length >= 11 && sent.length <= 15 && outlet.isCatchingUp());
    }
    assert.equal(outlet.isCatchingUp(), false);
    assert.deepEqual(
      numbers(sent),
      sent.map((_, i) => (65_530 + i) & 0xffff),
    );
    const times = sent.map(({ timestamp }) => timestamp);
    assert.deepEqual(
      times,
      [...new Set(times)].sort((a, b) => a - b),
    );
    assert.equal(times.at(-1), 65 * perFrame + offset);
    assert.deepEqual(
      sent.map(({ payload }) => payload[39]),
      Array.from({ length: 36 }, (_, i) => 30 + i),
    );
    assert.ok(sent.every((packet) => packet.ssrc === ssrc && packet.payloadType === 120));
  });

  test("a lost picture is answered with the past again, under new numbers and later times; once a second", () => {
    const { feed, outlet, sent, wishes } = rig();
    push(feed, 0, 20);
    outlet.pump(20 * 33);
    outlet.pump(20 * 33 + 300);
    const before = sent.at(-1);
    const pli = encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc: ssrc }]);
    outlet.onRtcp(pli, 20 * 33 + 400);
    assert.deepEqual([outlet.isCatchingUp(), wishes()], [false, 1]);
    const at = 20 * 33 + 1_200;
    outlet.onRtcp(pli, at);
    assert.deepEqual([outlet.isCatchingUp(), wishes()], [true, 2]);
    const count = sent.length;
    for (let now = at; now < at + 400; now += 5) outlet.pump(now);
    const again = sent.slice(count);
    assert.deepEqual(
      again.map(({ payload }) => payload[39]),
      Array.from({ length: 21 }, (_, i) => i),
    );
    assert.equal(again[0]?.sequenceNumber, ((before?.sequenceNumber ?? 0) + 1) & 0xffff);
    assert.ok((again[0]?.timestamp ?? 0) > (before?.timestamp ?? 0));
    const other = encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc: 7 }]);
    outlet.onRtcp(other, at + 5_000);
    assert.equal(outlet.isCatchingUp(), false);
  });

  test("what is asked for again comes as it was sent, also from before the past was repeated", () => {
    const { feed, outlet, sent } = rig();
    push(feed, 0, 10);
    for (let now = 330; now < 700; now += 5) outlet.pump(now);
    const ask = (...sequenceNumbers: number[]): Uint8Array =>
      encodeRtcp([{ type: "nack", senderSsrc: 1, mediaSsrc: ssrc, sequenceNumbers }]);
    const [third, fourth] = sent.slice(3);
    outlet.onRtcp(ask(65_533, 30_000), 701);
    assert.deepEqual(sent.slice(11), [third]);
    outlet.onRtcp(encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc: ssrc }]), 2_000);
    outlet.pump(2_000);
    const count = sent.length;
    outlet.onRtcp(ask(65_534), 2_001);
    assert.deepEqual(sent.slice(count), [fourth]);
  });

  test("a gap stays a gap until the missing packet comes, which gets its place", () => {
    const { feed, outlet, sent } = rig();
    feed.push(0, frame(0, true), 0);
    outlet.pump(0);
    feed.push(0, frame(1, false), 33);
    feed.push(0, frame(3, false), 99);
    outlet.pump(99);
    feed.push(0, frame(2, false), 120);
    outlet.pump(120);
    assert.deepEqual(numbers(sent), [65_530, 65_531, 65_533, 65_532]);
    assert.deepEqual(
      sent.map(({ timestamp }) => timestamp - offset),
      [0, 3_000, 9_000, 6_000],
    );
  });

  test("what was sent is counted, and what the browser says of it", () => {
    let isOpen = true;
    const { feed, outlet, reports } = rig(() => isOpen);
    push(feed, 0, 5);
    outlet.pump(165);
    outlet.pump(1_000);
    isOpen = false;
    push(feed, 6, 6);
    outlet.pump(1_010);
    isOpen = true;
    assert.deepEqual(outlet.figures(1_020), { component: 0, sent: { packets: 6, bytes: 6 * 52, drops: 1 } });
    outlet.report(1_000_000, epoch, 2_000);
    const [own] = [decodeRtcp(reports[0] ?? new Uint8Array(0))].flatMap((read) => (read.ok ? read.value : []));
    assert.ok(own?.type === "sender-report");
    const block = {
      ...{ ssrc, fractionLost: 64, cumulativeLost: 3, highestSequenceNumber: 9, jitter: 900 },
      ...{ lastSenderReport: middle32(own.ntp), delaySinceSenderReport: 65_536 / 2 },
    };
    const others = { ...block, ssrc: 77, fractionLost: 255 };
    outlet.onRtcp(encodeRtcp([{ type: "receiver-report", ssrc: 1, reports: [others, block] }]), 2_540);
    assert.deepEqual(outlet.figures(2_600).report, { lossFraction: 0.25, lost: 3, jitterMs: 10, rttMs: 40 });
    assert.equal(outlet.figures(60_000).report, undefined, "out of date");
  });

  test("reports tie the times of what is sent to one clock, and are silent while the past is shown", () => {
    const { feed, outlet, reports } = rig();
    push(feed, 0, 20);
    outlet.pump(20 * 33);
    const instant = feed.instant(0, 20 * 33);
    assert.ok(instant !== undefined);
    outlet.report(instant.wallMs, instant.timestamp, 20 * 33);
    assert.equal(reports.length, 0);
    outlet.pump(20 * 33 + 400);
    outlet.report(instant.wallMs, instant.timestamp, 20 * 33 + 400);
    const read = decodeRtcp(reports[0] ?? new Uint8Array(0));
    assert.ok(read.ok);
    const [report] = read.value;
    assert.ok(report?.type === "sender-report");
    assert.deepEqual(
      [report.ssrc, report.rtpTimestamp, report.packetCount, Math.round(wallMsFromNtp(report.ntp))],
      [ssrc, 20 * perFrame + offset, 21, 1_000_000],
    );
  });
});

test("parameter sets that only the SDP has stand before each key frame", () => {
  const packets = fixture("ffmpeg-h264-sets-in-sdp").filter(({ destinationPort }) => destinationPort === 0);
  const first = packets[0] && decodeRtp(packets[0].payload);
  assert.ok(first?.ok);
  const fmtp = "packetization-mode=1; sprop-parameter-sets=Z0LAHw==,aM48gA==";
  const track: FedTrack = { ...video, codec: "H264", payloadType: first.value.payloadType, fmtp };
  const feed = createFeed({ tracks: [track], wallNow: () => 0, onGrown: () => {}, onBFrames: () => {} });
  for (const { payload, atMs } of packets) feed.push(0, Uint8Array.from(payload), atMs);
  const start = feed.cache.start(0);
  assert.ok(start !== undefined);
  const packet = decodeRtp(feed.cache.read(0, start)?.bytes ?? new Uint8Array(0));
  assert.ok(packet.ok);
  assert.equal((packet.value.payload[0] ?? 0) & 0x1f, 24);
  assert.equal(Buffer.from(packet.value.payload).includes(Buffer.from("Z0LAHw==", "base64")), true);
});

test("B-frames are told once", () => {
  let told = 0;
  const feed = createFeed({
    ...{ tracks: [video], wallNow: () => 0, onGrown: () => {} },
    onBFrames: () => {
      told += 1;
    },
  });
  for (let i = 0; i < 60; i += 1) feed.push(0, frame(i % 2 === 0 ? i + 2 : i - 1, i === 0, i), i * 33);
  assert.equal(told, 1);
});
