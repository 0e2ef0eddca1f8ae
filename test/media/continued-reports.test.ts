import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import { readUint32 } from "../../src/rtp/wire.ts";
import { createRig, type Out, outOf, play, soundSsrc, timestampOf } from "./continuity-rig.ts";
import { mediaSsrc } from "./support.ts";

const senderReport = (ssrc: number, seconds: number, rtpTimestamp: number): RtcpPacket => ({
  ...{ type: "sender-report", ssrc, rtpTimestamp, packetCount: 0, octetCount: 0, reports: [] },
  ntp: { seconds: Math.floor(seconds), fraction: Math.round((seconds % 1) * 2 ** 32) >>> 0 },
});

test("sender reports: held until their run begins, on one line with those before; tracks not from one moment follow them", () => {
  const by = createRig();
  const base = 3_900_000_000;
  by.rtcp(1, senderReport(mediaSsrc, base, 0));
  by.rtcp(3, senderReport(soundSsrc, base, 0));
  play(by, 0, 250);
  by.rtcp(1, senderReport(mediaSsrc, base + 10, 900_000));
  by.rtcp(3, senderReport(soundSsrc, base + 10, 480_000));
  by.pass(1_000);
  const reports = (component: number): (RtcpPacket & { type: "sender-report" })[] =>
    outOf(by, component).flatMap(({ bytes }) => {
      const packets = decodeRtcp(bytes);
      assert.ok(packets.ok);
      return packets.value.filter((each) => each.type === "sender-report");
    });
  // Another clock and other bases; the sound's first packet is 100 ms younger than the picture's, and comes with it.
  by.rtcp(1, senderReport(7, 100, 5_000_000));
  by.rtcp(3, senderReport(8, 100, 77_000_000));
  assert.equal(reports(1).length, 2);
  for (let i = 0; i < 30; i += 1) {
    by.video(i + 9_000, { ssrc: 7, timestamp: 5_000_000 + i * 3600 });
    by.sound(i + 30, { ssrc: 8, timestamp: 77_000_000 + 4_800 + i * 1920 });
    by.pass(40);
  }
  for (const [component, rate] of [
    [1, 90_000],
    [3, 48_000],
  ] as const) {
    const [, before, after] = reports(component);
    assert.ok(before && after);
    assert.equal(after.ssrc, before.ssrc);
    const seconds = after.ntp.seconds - before.ntp.seconds + (after.ntp.fraction - before.ntp.fraction) / 2 ** 32;
    assert.ok(Math.abs(seconds - (after.rtpTimestamp - before.rtpTimestamp) / rate) < 1e-4, `${seconds}`);
  }
  const [picture, sound] = [outOf(by, 0), outOf(by, 2)].map((out) => out.at(-1) as Out);
  assert.ok(picture && sound);
  assert.ok(Math.abs(timestampOf(sound) / 48_000 - timestampOf(picture) / 90_000 - 0.1) < 1e-4);
});

test("a report of MP4Box comes before the first packet of its run: it waits for it", () => {
  const by = createRig();
  by.rtcp(1, senderReport(mediaSsrc, 50, 3_600));
  play(by, 1, 100);
  by.pass(500);
  by.rtcp(1, senderReport(mediaSsrc, 54.5, 3_600));
  assert.equal(outOf(by, 1).length, 1);
  play(by, 1, 10);
  const [, report] = outOf(by, 1);
  assert.ok(report);
  assert.equal(readUint32(report.bytes, 16), timestampOf(outOf(by, 0)[100] as Out));
});

test("a goodbye waits: forgotten if media goes on, handed on after ten seconds of nothing", () => {
  const by = createRig();
  play(by, 1, 50);
  const goodbye: RtcpPacket = { type: "bye", ssrcs: [mediaSsrc] };
  by.rtcp(1, senderReport(mediaSsrc, 9, 180_000), goodbye);
  assert.equal(outOf(by, 1).length, 1, "the report goes on without it");
  play(by, 51, 60);
  by.pass(60_000);
  assert.equal(outOf(by, 1).length, 1);
  play(by, 61, 70);
  by.rtcp(1, { type: "receiver-report", ssrc: mediaSsrc, reports: [] }, goodbye);
  by.pass(9_999);
  assert.equal(outOf(by, 1).length, 1);
  by.pass(1);
  const last = decodeRtcp(outOf(by, 1).at(-1)?.bytes ?? new Uint8Array());
  assert.ok(last.ok);
  assert.deepEqual(last.value.at(-1), goodbye);
});

test("after a goodbye another source need not wait, and its own goodbye names the one that players know", () => {
  const by = createRig();
  play(by, 1, 50);
  by.rtcp(1, { type: "bye", ssrcs: [mediaSsrc] });
  by.video(100, { ssrc: 7 });
  by.video(101, { ssrc: 7 });
  by.pass(20);
  assert.deepEqual(by.restarts, ["0 new-ssrc"]);
  by.rtcp(1, { type: "bye", ssrcs: [7] });
  by.pass(10_000);
  const last = decodeRtcp(outOf(by, 1).at(-1)?.bytes ?? new Uint8Array());
  assert.ok(last.ok);
  assert.deepEqual(last.value.at(-1), { type: "bye", ssrcs: [mediaSsrc] });
});

test("players' feedback gets the publisher's numbers; what is about the old run is left out", () => {
  const by = createRig();
  play(by, 1, 300);
  const nack: RtcpPacket = { type: "nack", senderSsrc: 1, mediaSsrc, sequenceNumbers: [299, 303] };
  const before = encodeRtcp([nack]);
  assert.equal(by.feedback(1, before), before);
  by.pass(1_000);
  play(by, 1, 50);
  const block = { fractionLost: 3, cumulativeLost: 4, jitter: 5, lastSenderReport: 0, delaySinceSenderReport: 0 };
  const sent = encodeRtcp([
    {
      ...{ type: "receiver-report", ssrc: 1 },
      reports: [
        { ...block, ssrc: mediaSsrc, highestSequenceNumber: 350 },
        { ...block, ssrc: mediaSsrc, highestSequenceNumber: 300 },
      ],
    },
    nack,
  ]);
  const back = decodeRtcp(by.feedback(1, sent) ?? new Uint8Array());
  assert.ok(back.ok);
  assert.deepEqual(back.value, [
    { type: "receiver-report", ssrc: 1, reports: [{ ...block, ssrc: mediaSsrc, highestSequenceNumber: 50 }] },
    { ...nack, sequenceNumbers: [3] },
  ]);
});
