import assert from "node:assert/strict";
import { test } from "node:test";
import type { Random } from "../../src/core/random.ts";
import { createReceiverReports, type ReceiverReports } from "../../src/media/receiver-reports.ts";
import { createReceiveStatistics } from "../../src/rtp/receive-statistics.ts";
import { decodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import type { ReportBlock } from "../../src/rtp/rtcp/report-block.ts";
import type { SenderReport } from "../../src/rtp/rtcp/sender-report.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

function rig(random: Random = createSeededRandom(1)): ReceiverReports & {
  /** A packet of a 90 kHz source, one every 40 ms by its number. */
  come(now: number, sequenceNumber: number, ssrc?: number, bytes?: number): void;
  packets(now: number): readonly RtcpPacket[];
  block(now: number): ReportBlock | undefined;
} {
  const received = createReceiveStatistics({ clockRateOf: () => 90_000 });
  const reports = createReceiverReports({ cname: "viewer", random, received });
  const packets = (now: number): readonly RtcpPacket[] => {
    const decoded = decodeRtcp(reports.poll(now) ?? new Uint8Array());
    return decoded.ok ? decoded.value : [];
  };
  return {
    ...reports,
    packets,
    come(now, sequenceNumber, ssrc = 7, bytes = 1_000) {
      const timestamp = sequenceNumber * 3_600;
      const fields = { payloadType: 96, marker: false, sequenceNumber: sequenceNumber & 0xffff, timestamp, ssrc };
      received.onPacket(fields, bytes, now);
      reports.onPacket(ssrc, now);
    },
    block(now) {
      const [report] = packets(now);
      return report?.type === "receiver-report" ? report.reports[0] : undefined;
    },
  };
}

test("reports what came since the last report, and in all", () => {
  const { come, block, ssrc, wakeAt, packets } = rig();
  assert.equal(wakeAt(), Number.POSITIVE_INFINITY);
  for (let number = 65_530; number < 65_630; number += 1) if (number % 4 !== 0) come((number - 65_530) * 40, number);
  const [report, description] = packets(wakeAt());
  assert.deepEqual(description, {
    type: "source-description",
    chunks: [{ ssrc: ssrc(), items: [{ item: 1, text: "viewer" }] }],
  });
  assert.ok(report?.type === "receiver-report");
  assert.equal(report.ssrc, ssrc());
  assert.deepEqual(report.reports, [
    {
      ...{ ssrc: 7, fractionLost: 64, cumulativeLost: 25, highestSequenceNumber: 0x1_0000 + 93, jitter: 0 },
      ...{ lastSenderReport: 0, delaySinceSenderReport: 0 },
    },
  ]);
  for (let number = 65_630; number < 65_730; number += 1) come((number - 65_530) * 40, number);
  const next = block(wakeAt());
  assert.equal(next?.fractionLost, 0);
  assert.equal(next?.cumulativeLost, 25);
});

test("answers the last sender report, so that the sender learns its round trip", () => {
  const { come, block, onSenderReport, wakeAt } = rig();
  come(0, 1);
  come(40, 2);
  const ntp = { seconds: 0x1234_5678, fraction: 0x9abc_def0 };
  const report: SenderReport = {
    ...{ type: "sender-report", ssrc: 7, ntp, rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] },
  };
  onSenderReport(report, 100);
  const at = wakeAt();
  const got = block(at);
  assert.equal(got?.lastSenderReport, 0x5678_9abc);
  assert.equal(got?.delaySinceSenderReport, Math.round((at - 100) * 65.536));
});

test("jitter is in the clock's ticks, and a restart neither loses nor invents packets", () => {
  const { come, block, wakeAt } = rig();
  for (let number = 1_000; number < 1_100; number += 1) come(number * 40 + (number % 2) * 10, number);
  for (let number = 1; number <= 50; number += 1) come(50_000 + number * 40, number);
  const got = block(wakeAt());
  assert.equal(got?.cumulativeLost, 0);
  assert.equal(got?.highestSequenceNumber, 50);
  assert.ok(got && got.jitter > 0 && got.jitter < 900, `${got?.jitter}`);
});

test("every five seconds on average, 2.5 at first, none when nothing comes", () => {
  const times: number[] = [];
  const { come, packets, wakeAt } = rig();
  for (let now = 0; now < 600_000; now += 40) {
    come(now, now / 40);
    if (wakeAt() <= now && packets(now).length > 0) times.push(now);
  }
  assert.ok((times[0] ?? 0) >= 1_000 && (times[0] ?? 0) < 3_200);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  assert.ok(gaps.every((gap) => gap >= 2_000 && gap <= 6_240));
  assert.ok(Math.max(...gaps) - Math.min(...gaps) > 2_000, "at random");
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  assert.ok(mean > 3_700 && mean < 4_600, `${mean}: RFC 3550's compensation makes it 4.1 s`);
  assert.deepEqual(packets(wakeAt()).length, 2, "what came after the last report");
  assert.equal(packets(wakeAt()).length, 0);
  assert.equal(wakeAt(), Number.POSITIVE_INFINITY);
});

test("takes 5 % of a thin stream, not more", () => {
  const { come, poll, wakeAt } = rig();
  let [media, reports] = [0, 0];
  for (let now = 0; now < 600_000; now += 200) {
    come(now, now / 200, 7, 40);
    media += 40;
    if (wakeAt() <= now) reports += (poll(now)?.length ?? 0) + 28;
  }
  assert.ok(reports > 0 && reports <= 0.05 * media, `${reports} of ${media}`);
});

test("a source that has our SSRC makes us take another", () => {
  const { come, ssrc } = rig();
  const ours = ssrc();
  come(0, 1, ours);
  assert.notEqual(ssrc(), ours);
});
