import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createSenderReportRepair } from "../../src/media/sender-report-repair.ts";
import { decodeRtp } from "../../src/rtp/header.ts";
import { ntpFromWallMs, wallMsFromNtp } from "../../src/rtp/ntp.ts";
import { createAccessUnitTracker } from "../../src/rtp/payload/access-unit-tracker.ts";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { describeSource } from "../../src/rtp/rtcp/source-description.ts";
import { mutatedBytes } from "../support/bytes.ts";
import { capture, readPcap } from "../support/captures.ts";
import { fixture } from "../support/fixtures.ts";
import { assertNear, type SentTrack, startWallMs } from "./report-session.ts";

const video: SentTrack = { kind: "video", clockRate: 90_000, frameMs: 40 };
const audio: SentTrack = { kind: "audio", clockRate: 48_000, frameMs: 20, firstTimestamp: 77_000_000 };

test("only the NTP timestamp changes, and other packets stay as they are", () => {
  const repair = createSenderReportRepair({ factsOf: () => ({ kind: "video", clockRate: 90_000 }) });
  const block = {
    ssrc: 3,
    fractionLost: 4,
    cumulativeLost: 5,
    highestSequenceNumber: 6,
    jitter: 7,
    lastSenderReport: 8,
    delaySinceSenderReport: 9,
  };
  const datagram = (atMs: number): Uint8Array =>
    encodeRtcp([
      {
        type: "sender-report",
        ssrc: 1,
        ntp: ntpFromWallMs(startWallMs),
        rtpTimestamp: 500_000 + atMs * 90,
        packetCount: atMs,
        octetCount: 1,
        reports: [block],
      },
      describeSource(1, "a"),
      { type: "raw", packetType: 204, count: 3, body: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    ]);
  const header = {
    payloadType: 96,
    marker: true,
    headerLength: 12,
    paddingLength: 0,
    payload: new Uint8Array(9),
    ssrc: 1,
  };
  for (let i = 0; i < 100; i += 1)
    repair.onRtp(0, { ...header, sequenceNumber: i, timestamp: 500_000 + i * 3600 }, i * 40, i === 0);
  const first = datagram(1000);
  assert.equal(repair.onRtcp(0, first, 1000), first);
  const sent = datagram(3000);
  const repaired = repair.onRtcp(0, sent, 3000);
  assert.notEqual(repaired, sent);
  assert.deepEqual([...sent], [...datagram(3000)], "the datagram itself is left alone");
  assert.deepEqual(
    [...repaired.subarray(0, 8), ...repaired.subarray(16)],
    [...sent.subarray(0, 8), ...sent.subarray(16)],
  );
  repair.onRestart(0);
  const careless = encodeRtcp([
    {
      type: "sender-report",
      ssrc: 1,
      ntp: ntpFromWallMs(startWallMs),
      rtpTimestamp: 0,
      packetCount: 0,
      octetCount: 0,
      reports: [block],
    },
    describeSource(1, "a"),
  ]);
  const kept = decodeRtcp(repair.onRtcp(0, careless, 9000));
  assert.ok(kept.ok);
  assert.deepEqual(kept.value, [{ type: "receiver-report", ssrc: 1, reports: [block] }, describeSource(1, "a")]);
});

test("after a new start the mapping begins anew", () => {
  const repair = createSenderReportRepair({ factsOf: () => ({ kind: "video", clockRate: 90_000 }) });
  const header = {
    payloadType: 96,
    marker: true,
    headerLength: 12,
    paddingLength: 0,
    payload: new Uint8Array(9),
    ssrc: 1,
  };
  const run = (fromMs: number): number[] =>
    Array.from({ length: 300 }, (_, i) => i).flatMap((i) => {
      repair.onRtp(0, { ...header, sequenceNumber: i, timestamp: 9_000_000 + i * 3600 }, fromMs + i * 40, i === 0);
      if (i % 100 !== 50) return [];
      const report = {
        type: "sender-report" as const,
        ssrc: 1,
        ntp: ntpFromWallMs(startWallMs + fromMs),
        octetCount: 0,
        reports: [],
      };
      const datagram = encodeRtcp([{ ...report, rtpTimestamp: 9_000_000 + i * 3600, packetCount: i }]);
      const read = decodeRtcp(repair.onRtcp(0, datagram, fromMs + i * 40));
      const [got] = read.ok ? read.value : [];
      return got?.type === "sender-report" ? [wallMsFromNtp(got.ntp) - startWallMs - i * 40] : [];
    });
  const first = run(0);
  repair.onRestart(0);
  assert.equal(repair.isRepairing(0), false);
  const second = run(100_000);
  // The first report of each run passes; the ones after it go on from there.
  assertNear(first.slice(1), first[1] ?? 0, 20.5);
  assertNear(
    second.map((each, i) => each - (first[i] ?? 0)),
    100_000,
    0.5,
  );
  // A count that goes back says the same without being told.
  const third = run(200_000);
  assertNear(
    third.map((each, i) => each - (first[i] ?? 0)),
    200_000,
    0.5,
  );
});

test("a sender that begins anew with its SSRC shows it by its packet count", () => {
  const repair = createSenderReportRepair({ factsOf: () => audio });
  const report = (packetCount: number, rtpTimestamp: number): Uint8Array => {
    const ntp = ntpFromWallMs(startWallMs);
    return encodeRtcp([{ type: "sender-report", ssrc: 1, ntp, rtpTimestamp, packetCount, octetCount: 0, reports: [] }]);
  };
  const firsts = [0, 20_000].map((startMs) => {
    const first = decodeRtcp(repair.onRtcp(0, report(0, 0), startMs));
    const header = { payloadType: 97, marker: true, headerLength: 12, paddingLength: 0, payload: new Uint8Array(9) };
    for (let i = 0; i < 200; i += 1) {
      repair.onRtp(0, { ...header, ssrc: 1, sequenceNumber: i, timestamp: i * 960 }, startMs + i * 20, false);
    }
    repair.onRtcp(0, report(200, 200 * 960), startMs + 4000);
    return first.ok && first.value[0]?.type;
  });
  assert.deepEqual(firsts, ["receiver-report", "receiver-report"]);
});

test("a report that comes before its new run outlives the news of it, and is told in the run's own time", () => {
  const repair = createSenderReportRepair({ factsOf: () => video });
  const header = {
    payloadType: 96,
    marker: true,
    headerLength: 12,
    paddingLength: 0,
    payload: new Uint8Array(9),
    ssrc: 1,
  };
  const ntp = ntpFromWallMs(startWallMs);
  const report = encodeRtcp([
    { type: "sender-report", ssrc: 1, ntp, rtpTimestamp: 1024, packetCount: 0, octetCount: 0, reports: [] },
  ]);
  const told = [0, 9_000].map((startMs) => {
    const kept = decodeRtcp(repair.onRtcp(0, report, startMs));
    assert.ok(kept.ok && kept.value[0]?.type === "receiver-report");
    // No other report in between: the count stays where it was.
    const released = Array.from({ length: 100 }, (_, i) => {
      const packet = { ...header, sequenceNumber: i, timestamp: 7500 + i * 3600 };
      const due = repair.onRtp(0, packet, startMs + i * 40, i === 0);
      if (i === 1 && startMs > 0) repair.onRestart(0);
      return due === undefined ? [] : [decodeRtcp(due)];
    }).flat();
    assert.equal(released.length, 1);
    const [got] = released[0]?.ok ? released[0].value : [];
    assert.ok(got?.type === "sender-report");
    assert.equal(got.rtpTimestamp, 7500);
    return wallMsFromNtp(got.ntp) - startWallMs;
  });
  assertNear(told, 0, 0.5);
  const later = decodeRtcp(
    repair.onRtcp(
      0,
      encodeRtcp([
        { type: "sender-report", ssrc: 1, ntp, rtpTimestamp: 367_500, packetCount: 100, octetCount: 0, reports: [] },
      ]),
      13_000,
    ),
  );
  assert.ok(later.ok && later.value[0]?.type === "sender-report");
  assertNear([wallMsFromNtp(later.value[0].ntp) - startWallMs], 4_000, 20.5);
});

test("ffmpeg's own reports pass", () => {
  for (const name of ["ffmpeg-h264", "ffmpeg-opus", "ffmpeg-aac"]) {
    const repair = createSenderReportRepair();
    let reports = 0;
    for (const { destinationPort, payload, atMs } of fixture(name)) {
      const packet = destinationPort === 0 ? decodeRtp(payload) : undefined;
      if (packet?.ok) assert.equal(repair.onRtp(0, packet.value, atMs, false), undefined);
      if (destinationPort === 1) {
        reports += 1;
        assert.equal(repair.onRtcp(0, payload, atMs), payload);
      }
    }
    assert.ok(reports > 0);
  }
});

const { path, skip } = capture("mp4box-0.8.1-h264-aac.pcap");

test("MP4Box's reports put picture and sound where their packets do", { skip }, () => {
  const repair = createSenderReportRepair({ factsOf: (track) => (track === 0 ? video : audio) });
  const pictures = createAccessUnitTracker("H264");
  const offsets: number[][] = [[], []];
  const note = (track: number, bytes: Uint8Array): void => {
    const read = decodeRtcp(bytes);
    assert.ok(read.ok);
    const [report] = read.value;
    if (report?.type !== "sender-report") return;
    offsets[track]?.push(wallMsFromNtp(report.ntp) - report.rtpTimestamp / (track === 0 ? 90 : 48));
  };
  for (const { destinationPort, payload, atMs } of readPcap(path)) {
    const track = (destinationPort - 9099) >> 1;
    if (destinationPort % 2 === 0) note(track, repair.onRtcp(track, payload, atMs));
    else {
      const packet = decodeRtp(payload);
      assert.ok(packet.ok);
      const due = repair.onRtp(track, packet.value, atMs, track === 0 && pictures.onPacket(packet.value).keyFrame);
      if (due !== undefined) note(track, due);
    }
  }
  const [picture = [], sound = []] = offsets;
  assert.ok(picture.length >= 3 && sound.length >= 3);
  // The first picture, 7500, leaves as the sound's first sample, 0, is due: its packet comes when it is full, at 149 ms.
  const offset = (i: number): number => (picture[i] ?? 0) + 7500 / 90 - (sound[i] ?? 0);
  assertNear(
    picture.map((_, i) => offset(Math.min(i, sound.length - 1))),
    0,
    40,
  );
  assertNear(picture, picture[0] ?? 0, 2);
  assertNear(sound, sound[0] ?? 0, 2);
});

test("hostile bytes pass as they are or come out as RTCP, and nothing throws", () => {
  const reports = [0, 5000, 9000].map((atMs) =>
    encodeRtcp([
      {
        type: "sender-report",
        ssrc: 1,
        ntp: ntpFromWallMs(startWallMs),
        rtpTimestamp: atMs,
        packetCount: 0,
        octetCount: 0,
        reports: [],
      },
      describeSource(1, "a"),
    ]),
  );
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 60 }), mutatedBytes(fc.constantFrom(...reports)));
  const each = fc.record({ bytes, isRtp: fc.boolean(), track: fc.nat(2), ms: fc.nat(3000) });
  fc.assert(
    fc.property(fc.array(each, { maxLength: 40 }), (datagrams) => {
      const repair = createSenderReportRepair();
      let atMs = 0;
      for (const { bytes: datagram, isRtp, track, ms } of datagrams) {
        atMs += ms;
        const packet = isRtp ? decodeRtp(datagram) : undefined;
        if (packet?.ok) repair.onRtp(track, packet.value, atMs, ms % 2 === 0);
        const out = repair.onRtcp(track, datagram, atMs);
        if (out !== datagram) assert.ok(decodeRtcp(out).ok === decodeRtcp(datagram).ok);
      }
    }),
  );
});
