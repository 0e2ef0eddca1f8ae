import assert from "node:assert/strict";
import { test } from "node:test";
import { createReportAggregator } from "../../src/media/report-aggregator.ts";
import type { ReportBlock } from "../../src/rtp/rtcp/report-block.ts";
import type { SenderReport } from "../../src/rtp/rtcp/sender-report.ts";

const block = (more: Partial<ReportBlock> = {}): ReportBlock => ({
  ...{ ssrc: 7, fractionLost: 0, cumulativeLost: 0, highestSequenceNumber: 0, jitter: 0 },
  ...{ lastSenderReport: 0, delaySinceSenderReport: 0, ...more },
});

const senderReport = (seconds: number): SenderReport => ({
  ...{ type: "sender-report", ssrc: 7, ntp: { seconds, fraction: 0 } },
  ...{ rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] },
});

test("many reports become one summary", () => {
  const reports = createReportAggregator({ clockRate: () => 90_000 });
  reports.onSenderReport(senderReport(1), 1_000);
  reports.onSenderReport(senderReport(2), 6_000);
  reports.onReport("a", block({ fractionLost: 128, jitter: 900, lastSenderReport: 1 << 16 }), 1_020);
  const answer = { lastSenderReport: 2 << 16, delaySinceSenderReport: 65_536 };
  reports.onReport("b", block({ jitter: 90, ...answer }), 7_050);
  reports.onReport("c", block({ fractionLost: 64, jitter: 180, cumulativeLost: 5 }), 7_060);
  assert.deepEqual(reports.summary(7_060), {
    ...{ viewers: 3, worstLossFraction: 0.5, medianJitterMs: 2, worstJitterMs: 10, medianRttMs: 50, worstRttMs: 50 },
  });
  assert.deepEqual(reports.viewer("c", 7_060), { lossFraction: 0.25, lost: 5, jitterMs: 2, rttMs: undefined });
  reports.forget("a");
  assert.equal(reports.summary(7_060).worstLossFraction, 0.25);
  reports.onReport("b", block(), 12_000);
  assert.equal(reports.viewer("b", 12_000)?.rttMs, 50, "the last one measured");
});

test("viewers that have fallen silent no longer count, and nobody is nothing", () => {
  const reports = createReportAggregator();
  reports.onReport("a", block({ fractionLost: 255 }), 0);
  assert.equal(reports.summary(22_500).viewers, 1);
  const nothing = {
    medianJitterMs: undefined,
    worstJitterMs: undefined,
    medianRttMs: undefined,
    worstRttMs: undefined,
  };
  assert.deepEqual(reports.summary(22_501), { viewers: 0, worstLossFraction: 0, ...nothing });
  assert.equal(reports.viewer("a", 22_501), undefined);
});

test("a sender whose clock stands still has the round trip of its last report", () => {
  const reports = createReportAggregator();
  for (let now = 0; now <= 50_000; now += 5_000) reports.onSenderReport(senderReport(9), now);
  reports.onReport("a", block({ lastSenderReport: 9 << 16 }), 50_030);
  assert.equal(reports.viewer("a", 50_030)?.rttMs, 30);
});

test("a bounded number of viewers is kept", () => {
  const reports = createReportAggregator();
  for (let i = 0; i < 10_005; i += 1) reports.onReport(`viewer ${i}`, block(), i / 1_000);
  assert.equal(reports.summary(11).viewers, 10_000);
  assert.equal(reports.viewer("viewer 4", 11), undefined);
});
