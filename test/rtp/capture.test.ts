import assert from "node:assert/strict";
import { test } from "node:test";
import { createClockRateEstimator } from "../../src/rtp/clock-rate.ts";
import { classifyDatagram, readRtp } from "../../src/rtp/demux.ts";
import { decodeRtp } from "../../src/rtp/header.ts";
import { createReceiveStatistics } from "../../src/rtp/receive-statistics.ts";
import { decodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { capture, readPcap } from "../support/captures.ts";

const { path, skip } = capture("mp4box-0.8.1-h264-aac.pcap");

test("a captured sender's RTCP and RTP are read, and its clock rates found without the SDP", { skip }, () => {
  const estimators = new Map([9099, 9101].map((port) => [port, createClockRateEstimator()]));
  for (const { destinationPort, payload, atMs } of readPcap(path)) {
    const isRtp = destinationPort % 2 === 1;
    assert.equal(classifyDatagram(payload), isRtp ? "rtp" : "rtcp");
    if (isRtp) {
      const packet = decodeRtp(payload);
      assert.ok(packet.ok);
      estimators.get(destinationPort)?.onPacket(packet.value.timestamp, atMs);
    } else {
      const packets = decodeRtcp(payload);
      assert.ok(packets.ok, JSON.stringify(packets));
      assert.equal(packets.value[0]?.type, "sender-report");
    }
  }
  assert.deepEqual(
    [...estimators].map(([port, estimator]) => [port, estimator.rate()]),
    [
      [9099, 90_000],
      [9101, 48_000],
    ],
  );
});

test("a captured sender that starts again loses nothing", { skip }, () => {
  const datagrams = readPcap(path);
  for (const port of [9099, 9101]) {
    const statistics = createReceiveStatistics();
    const track = datagrams.filter(({ destinationPort }) => destinationPort === port);
    for (const start of [0, 60_000, 120_000]) {
      for (const { payload, atMs } of track) statistics.onPacket(readRtp(payload), payload.length, start + atMs);
    }
    const { packets, lost, duplicates, reordered, restarts, jitterMs } = statistics.snapshot();
    assert.equal(packets, track.length * 3);
    assert.deepEqual({ lost, duplicates, reordered, restarts }, { lost: 0, duplicates: 0, reordered: 0, restarts: 2 });
    assert.ok(jitterMs < 50, `jitter ${jitterMs}`);
  }
});
