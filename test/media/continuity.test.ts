import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { readUint16, readUint32 } from "../../src/rtp/wire.ts";
import { createRig, type Out, outOf, play, soundSsrc, timestampOf } from "./continuity-rig.ts";
import { mediaSsrc } from "./support.ts";

test("until a restart every packet is the one that came", () => {
  const by = createRig();
  const sent = [by.video(65_534), by.video(65_535), by.video(65_537), by.video(65_536), by.video(65_536)];
  by.pass(5_000);
  sent.push(by.video(65_538), by.video(65_800));
  assert.equal(by.got.length, sent.length);
  by.got.forEach(({ bytes }, i) => void assert.equal(bytes, sent[i]));
  assert.deepEqual(by.restarts, []);
});

test("a first timestamp of 0, which ffmpeg takes for none, becomes 1, and what follows keeps its distance", () => {
  const by = createRig();
  by.sound(1, { timestamp: 0 });
  by.sound(2, { timestamp: 1920 });
  by.video(1);
  const report = { ssrc: soundSsrc, ntp: { seconds: 5, fraction: 0 }, packetCount: 2, octetCount: 200, reports: [] };
  by.rtcp(3, { type: "sender-report", rtpTimestamp: 1920, ...report });
  assert.deepEqual(outOf(by, 2).map(timestampOf), [1, 1921]);
  assert.deepEqual(outOf(by, 0).map(timestampOf), [3600]);
  const [out] = outOf(by, 3).map(({ bytes }) => decodeRtcp(bytes));
  assert.deepEqual(out?.ok && out.value, [{ type: "sender-report", rtpTimestamp: 1921, ...report }]);
});

test("the same SSRC from 1 again: numbers go on by one, times by the time that has passed, in both tracks alike", () => {
  const by = createRig();
  play(by, 1, 300);
  by.pass(960);
  play(by, 1, 50);
  assert.deepEqual(by.restarts, ["0 same-ssrc", "2 same-ssrc"]);
  for (const [component, ticks] of [
    [0, 3600],
    [2, 1920],
  ] as const) {
    const out = outOf(by, component);
    assert.deepEqual(
      out.map(({ bytes }) => readUint16(bytes, 2)),
      Array.from({ length: 350 }, (_, i) => i + 1),
    );
    // 40 ms after the last packet, and the pause.
    assert.equal((timestampOf(out[300] as Out) - timestampOf(out[299] as Out)) / ticks, 25);
  }
  const apart = outOf(by, 0).map((out, i) => timestampOf(out) / 90_000 - timestampOf(outOf(by, 2)[i] as Out) / 48_000);
  assert.ok(
    apart.every((seconds) => Math.abs(seconds) < 1e-4),
    "sound stays with picture",
  );
});

test("the first packets of a run are not lost to one that is missing, nor to old ones between them", () => {
  const by = createRig();
  play(by, 1, 300);
  by.numbers();
  by.video(1, { timestamp: 0 });
  by.video(301);
  by.video(3, { timestamp: 0 });
  by.video(4, { timestamp: 0 });
  by.video(2, { timestamp: 0 });
  by.video(299);
  by.video(81, { timestamp: 0 });
  by.pass(20);
  by.video(82, { timestamp: 3600 });
  assert.deepEqual(by.numbers(), [301, 299, 302, 303, 304, 305, 382, 383]);
  assert.deepEqual(by.restarts, ["0 same-ssrc"]);
});

test("one packet from nowhere is no restart, nor is a late answer to an old request", () => {
  const by = createRig();
  play(by, 1, 300);
  by.numbers();
  by.video(40_000, { timestamp: 77 });
  play(by, 302, 320);
  by.video(301);
  by.video(319);
  play(by, 321, 400);
  assert.equal(by.numbers().length, 101);
  assert.deepEqual(by.restarts, []);
});

test("answers of the old run that come after a restart keep their places, whatever the new run's numbers are", () => {
  const by = createRig();
  play(by, 1, 80);
  play(by, 82, 100);
  by.pass(200);
  play(by, 1, 3);
  by.numbers();
  by.video(81);
  play(by, 4, 30);
  const after = by.numbers();
  assert.deepEqual(after, [81, ...Array.from({ length: 27 }, (_, i) => 104 + i)]);
  assert.equal(by.restarts.length, 2);
});

test("a new SSRC, numbers and times from anywhere: one SSRC to the players", () => {
  const by = createRig();
  play(by, 65_500, 65_536);
  by.pass(1_000);
  for (let i = 0; i < 30; i += 1) {
    by.video(i + 9_000, { ssrc: 7, timestamp: 0xffff_f000 + i * 3600 });
    by.sound(i + 30, { ssrc: 8, timestamp: 123_456 + i * 1920 });
    by.pass(40);
  }
  assert.deepEqual(by.restarts, ["0 new-ssrc", "2 new-ssrc"]);
  for (const [component, ssrc] of [
    [0, mediaSsrc],
    [2, soundSsrc],
  ] as const) {
    const out = outOf(by, component);
    assert.ok(out.every(({ bytes }) => readUint32(bytes, 8) === ssrc));
    out.slice(1).forEach(({ bytes }, i) => {
      assert.equal((readUint16(bytes, 2) - readUint16((out[i] as Out).bytes, 2)) & 0xffff, 1);
    });
  }
  const times = outOf(by, 0).map(timestampOf);
  assert.equal(((times[37] ?? 0) - (times[36] ?? 0)) / 3600, 26);
  assert.equal(((times[60] ?? 0) - (times[59] ?? 0)) / 3600, 1);
  const numbers = { fractionLost: 0, cumulativeLost: 0, jitter: 0, lastSenderReport: 0, delaySinceSenderReport: 0 };
  const feedback = decodeRtcp(
    by.feedback(
      1,
      encodeRtcp([
        { type: "receiver-report", ssrc: 1, reports: [{ ...numbers, ssrc: mediaSsrc, highestSequenceNumber: 20 }] },
        { type: "pli", senderSsrc: 1, mediaSsrc },
        { type: "fir", senderSsrc: 1, mediaSsrc: 0, requests: [{ ssrc: mediaSsrc, sequenceNumber: 3 }] },
        { type: "raw", packetType: 207, count: 0, body: new Uint8Array(8) },
      ]),
    ) ?? new Uint8Array(),
  );
  assert.ok(feedback.ok);
  assert.deepEqual(feedback.value, [
    { type: "receiver-report", ssrc: 1, reports: [{ ...numbers, ssrc: 7, highestSequenceNumber: 9_019 }] },
    { type: "pli", senderSsrc: 1, mediaSsrc: 7 },
    { type: "fir", senderSsrc: 1, mediaSsrc: 0, requests: [{ ssrc: 7, sequenceNumber: 3 }] },
  ]);
});

test("a new SSRC waits until the old one is still; a second source beside the track is left alone", () => {
  const by = createRig();
  play(by, 1, 50);
  by.numbers();
  for (let i = 0; i < 12; i += 1) {
    by.video(i + 100, { ssrc: 7, timestamp: i * 3600 });
    by.pass(40);
  }
  assert.deepEqual(
    by.numbers(),
    Array.from({ length: 12 }, (_, i) => 51 + i),
    "all of them, once it is clear",
  );
  const beside = createRig();
  play(beside, 1, 50);
  beside.numbers();
  const sent: Uint8Array[] = [];
  sent.push(beside.video(98, { ssrc: 7, timestamp: 0 }), beside.video(99, { ssrc: 7, timestamp: 0 }));
  for (let i = 0; i < 30; i += 1) {
    sent.push(beside.video(i + 100, { ssrc: 7, timestamp: i * 3600 }));
    sent.push(beside.video(i + 200, { ssrc: 9, payloadType: 127 }));
    assert.equal(beside.got.at(-1)?.bytes, sent.at(-1));
    if (i > 3) assert.equal(beside.got.at(-2)?.bytes, sent.at(-2), "at once, as soon as it is known");
    beside.pass(30);
    beside.video(i + 51);
    beside.pass(10);
  }
  assert.deepEqual(beside.restarts, []);
  assert.ok(sent.every((bytes) => beside.got.some((out) => out.bytes === bytes)));
});

test("an outage on the way is no restart, however many packets it took", () => {
  const by = createRig();
  play(by, 1, 100);
  by.pass(40 * 5_000);
  play(by, 5_101, 5_200);
  // So many that the numbers seem to have gone back.
  by.pass(40 * 40_000);
  play(by, 45_201, 45_300);
  assert.deepEqual(by.restarts, []);
  const out = outOf(by, 0);
  const numbers = out.map(({ bytes }) => readUint16(bytes, 2));
  assert.deepEqual(numbers.slice(99, 101), [100, 5_101], "a gap that players see for what it is");
  assert.deepEqual(numbers.slice(199, 201), [5_200, 5_201]);
  assert.equal(out.length, 300);
  assert.ok(
    out.slice(200).every((each, i) => timestampOf(each) === (45_201 + i) * 3600),
    "times as they were sent",
  );
});

test("no packet runs into the one before, however quickly the publisher is back", () => {
  const by = createRig();
  for (let number = 1; number <= 100; number += 1) {
    by.sound(number, { timestamp: number * 8_192 });
    by.pass(170);
  }
  by.sound(101, { timestamp: 101 * 8_192 });
  by.pass(1);
  by.sound(1, { timestamp: 0 });
  by.sound(2, { timestamp: 8_192 });
  by.pass(20);
  const times = outOf(by, 2).map(timestampOf);
  assert.deepEqual(
    times,
    Array.from({ length: 103 }, (_, i) => (i + 1) * 8_192),
  );
});

test("a run that begins with a burst is not taken for the end of the one before, however slow its frames are", () => {
  const by = createRig();
  for (let number = 1; number <= 8; number += 1) {
    by.video(number, { timestamp: number * 54_000 });
    by.pass(600);
  }
  by.numbers();
  for (let number = 1; number <= 100; number += 1) {
    by.video(number, { timestamp: number * 54_000 });
    by.pass(5);
  }
  assert.deepEqual(
    by.numbers(),
    Array.from({ length: 100 }, (_, i) => 9 + i),
  );
});

test("an old publisher that goes on beside its successor does not come between its packets", () => {
  const by = createRig();
  play(by, 1, 50);
  by.pass(500);
  for (let i = 0; i < 100; i += 1) {
    by.video(i + 900, { ssrc: 7, timestamp: i * 3600 });
    by.pass(20);
    if (i >= 5) by.video(i + 46);
    by.pass(20);
  }
  assert.deepEqual(
    by.numbers(),
    Array.from({ length: 150 }, (_, i) => i + 1),
  );
});

test("a stray packet at the beginning does not stand for the track", () => {
  const by = createRig();
  by.video(5, { ssrc: 99 });
  by.video(40_000, { timestamp: 0x7000_0000 });
  play(by, 1, 100);
  by.pass(500);
  play(by, 1, 10);
  assert.deepEqual(by.restarts, ["0 same-ssrc", "2 same-ssrc"]);
  const out = outOf(by, 0);
  assert.equal(out.length, 112);
  assert.ok(timestampOf(out[102] as Out) < 120 * 3600);
});

test("what is neither RTP nor RTCP is not touched, before and after", () => {
  const by = createRig();
  const stream = Buffer.alloc(1316, 0x47);
  by.push(0, stream, by.now());
  assert.equal(by.got[0]?.bytes, stream);
});
