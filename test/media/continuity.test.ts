import assert from "node:assert/strict";
import { test } from "node:test";
import { type Continuity, createContinuity } from "../../src/media/continuity.ts";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import { readUint16, readUint32 } from "../../src/rtp/wire.ts";
import { mediaSsrc, packet } from "./support.ts";

interface Out {
  readonly component: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}

const rates: Readonly<Record<number, number>> = { 0: 90_000, 2: 48_000 };
const soundSsrc = 0x643c9869;

function rig(): Continuity & {
  readonly got: Out[];
  readonly restarts: string[];
  /** Numbers of what the players got on a component since the last look. */
  numbers(component?: number): number[];
  pass(ms: number): void;
  now(): number;
  /** A packet of picture: a frame of 40 ms each. */
  video(number: number, more?: { ssrc?: number; timestamp?: number; payloadType?: number }): Uint8Array;
  sound(number: number, more?: { ssrc?: number; timestamp?: number }): Uint8Array;
  rtcp(component: number, ...packets: RtcpPacket[]): void;
} {
  const got: Out[] = [];
  const restarts: string[] = [];
  let now = 1_000;
  const continuity = createContinuity({
    clockRateOf: (component) => rates[component],
    deliver: (component, bytes) => got.push({ component, bytes, at: now }),
    onRestart: (component, kind) => restarts.push(`${component} ${kind}`),
  });
  function push(component: number, bytes: Uint8Array): Uint8Array {
    continuity.push(component, bytes, now);
    return bytes;
  }
  let seen = 0;
  return {
    ...continuity,
    ...{ got, restarts },
    now: () => now,
    numbers: (component = 0) => {
      const fresh = got.slice(seen).filter((out) => out.component === component);
      seen = got.length;
      return fresh.map(({ bytes }) => readUint16(bytes, 2));
    },
    pass(ms) {
      for (const end = now + ms; ; ) {
        const at = continuity.wakeAt();
        if (at > end) {
          now = end;
          return;
        }
        now = Math.max(now, at);
        continuity.release(now);
      }
    },
    video: (number, more = {}) => push(0, packet(number, { ...more })),
    sound: (number, more = {}) =>
      push(2, packet(number, { ssrc: soundSsrc, timestamp: number * 1920, payloadType: 97, ...more })),
    rtcp: (component, ...packets) => void push(component, encodeRtcp(packets)),
  };
}

/** Forty milliseconds of both tracks for each number. */
function play(
  by: ReturnType<typeof rig>,
  from: number,
  to: number,
  more: { ssrc?: number; soundSsrc?: number } = {},
): void {
  for (let number = from; number <= to; number += 1) {
    by.video(number, more.ssrc === undefined ? {} : { ssrc: more.ssrc });
    by.sound(number, more.soundSsrc === undefined ? {} : { ssrc: more.soundSsrc });
    by.pass(40);
  }
}

const timestampOf = ({ bytes }: Out): number => readUint32(bytes, 4);
const of = (by: ReturnType<typeof rig>, component: number): Out[] =>
  by.got.filter((out) => out.component === component);
const senderReport = (ssrc: number, seconds: number, rtpTimestamp: number): RtcpPacket => ({
  ...{ type: "sender-report", ssrc, rtpTimestamp, packetCount: 0, octetCount: 0, reports: [] },
  ntp: { seconds: Math.floor(seconds), fraction: Math.round((seconds % 1) * 2 ** 32) >>> 0 },
});

test("until a restart every packet is the one that came", () => {
  const by = rig();
  const sent = [by.video(65_534), by.video(65_535), by.video(65_537), by.video(65_536), by.video(65_536)];
  by.pass(5_000);
  sent.push(by.video(65_538), by.video(65_800));
  assert.equal(by.got.length, sent.length);
  by.got.forEach(({ bytes }, i) => void assert.equal(bytes, sent[i]));
  assert.deepEqual(by.restarts, []);
});

test("the same SSRC from 1 again: numbers go on by one, times by the time that has passed, in both tracks alike", () => {
  const by = rig();
  play(by, 1, 300);
  by.pass(960);
  play(by, 1, 50);
  assert.deepEqual(by.restarts, ["0 same-ssrc", "2 same-ssrc"]);
  for (const [component, ticks] of [
    [0, 3600],
    [2, 1920],
  ] as const) {
    const out = of(by, component);
    assert.deepEqual(
      out.map(({ bytes }) => readUint16(bytes, 2)),
      Array.from({ length: 350 }, (_, i) => i + 1),
    );
    // 40 ms after the last packet, and the pause.
    assert.equal((timestampOf(out[300] as Out) - timestampOf(out[299] as Out)) / ticks, 25);
  }
  const apart = of(by, 0).map((out, i) => timestampOf(out) / 90_000 - timestampOf(of(by, 2)[i] as Out) / 48_000);
  assert.ok(
    apart.every((seconds) => Math.abs(seconds) < 1e-4),
    "sound stays with picture",
  );
});

test("the first packets of a run are not lost to one that is missing, nor to old ones between them", () => {
  const by = rig();
  play(by, 1, 300);
  by.numbers();
  by.video(1, { timestamp: 0 });
  by.video(301);
  by.video(3, { timestamp: 0 });
  by.video(4, { timestamp: 0 });
  by.video(2, { timestamp: 0 });
  by.video(299);
  by.pass(20);
  by.video(5, { timestamp: 3600 });
  assert.deepEqual(by.numbers(), [301, 299, 302, 303, 304, 305, 306]);
  assert.deepEqual(by.restarts, ["0 same-ssrc"]);
});

test("one packet from nowhere is no restart, nor is a late answer to an old request", () => {
  const by = rig();
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
  const by = rig();
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
  const by = rig();
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
    const out = of(by, component);
    assert.ok(out.every(({ bytes }) => readUint32(bytes, 8) === ssrc));
    out.slice(1).forEach(({ bytes }, i) => {
      assert.equal((readUint16(bytes, 2) - readUint16((out[i] as Out).bytes, 2)) & 0xffff, 1);
    });
  }
  const times = of(by, 0).map(timestampOf);
  assert.equal(((times[37] ?? 0) - (times[36] ?? 0)) / 3600, 26);
  assert.equal(((times[60] ?? 0) - (times[59] ?? 0)) / 3600, 1);
  const feedback = by.feedback(1, encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc }]));
  assert.ok(feedback && readUint32(feedback, 8) === 7);
});

test("a new SSRC waits until the old one is still; a second source beside the track is left alone", () => {
  const by = rig();
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
  const beside = rig();
  play(beside, 1, 50);
  beside.numbers();
  const sent: Uint8Array[] = [];
  for (let i = 0; i < 30; i += 1) {
    sent.push(beside.video(i + 100, { ssrc: 7, timestamp: i * 3600 }));
    sent.push(beside.video(i + 100, { ssrc: 9, payloadType: 127 }));
    beside.video(i + 51);
    beside.pass(40);
  }
  assert.deepEqual(beside.restarts, []);
  assert.ok(sent.every((bytes) => beside.got.some((out) => out.bytes === bytes)));
});

test("an outage on the way is no restart, however many packets it took", () => {
  const by = rig();
  play(by, 1, 100);
  by.pass(40 * 5_000);
  play(by, 5_101, 5_200);
  // So many that the numbers seem to have gone back.
  by.pass(40 * 40_000);
  play(by, 45_201, 45_300);
  assert.deepEqual(by.restarts, []);
  const out = of(by, 0);
  const numbers = out.map(({ bytes }) => readUint16(bytes, 2));
  assert.deepEqual(numbers.slice(99, 101), [100, 5_101], "a gap that players see for what it is");
  assert.deepEqual(numbers.slice(199, 201), [5_200, 5_201]);
  assert.equal(out.length, 300);
  assert.ok(
    out.slice(200).every((each, i) => timestampOf(each) === (45_201 + i) * 3600),
    "times as they were sent",
  );
});

test("sender reports: held until their run begins, on one line with those before; tracks not from one moment follow them", () => {
  const by = rig();
  const base = 3_900_000_000;
  by.rtcp(1, senderReport(mediaSsrc, base, 0));
  by.rtcp(3, senderReport(soundSsrc, base, 0));
  play(by, 0, 250);
  by.rtcp(1, senderReport(mediaSsrc, base + 10, 900_000));
  by.rtcp(3, senderReport(soundSsrc, base + 10, 480_000));
  by.pass(1_000);
  const reports = (component: number): (RtcpPacket & { type: "sender-report" })[] =>
    of(by, component).flatMap(({ bytes }) => {
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
  const [picture, sound] = [of(by, 0), of(by, 2)].map((out) => out.at(-1) as Out);
  assert.ok(picture && sound);
  assert.ok(Math.abs(timestampOf(sound) / 48_000 - timestampOf(picture) / 90_000 - 0.1) < 1e-4);
});

test("a goodbye waits: forgotten if media goes on, handed on after ten seconds of nothing", () => {
  const by = rig();
  play(by, 1, 50);
  const goodbye: RtcpPacket = { type: "bye", ssrcs: [mediaSsrc] };
  by.rtcp(1, senderReport(mediaSsrc, 9, 180_000), goodbye);
  assert.equal(of(by, 1).length, 1, "the report goes on without it");
  play(by, 51, 60);
  by.pass(60_000);
  assert.equal(of(by, 1).length, 1);
  play(by, 61, 70);
  by.rtcp(1, { type: "receiver-report", ssrc: mediaSsrc, reports: [] }, goodbye);
  by.pass(9_999);
  assert.equal(of(by, 1).length, 1);
  by.pass(1);
  const last = decodeRtcp(of(by, 1).at(-1)?.bytes ?? new Uint8Array());
  assert.ok(last.ok);
  assert.deepEqual(last.value.at(-1), goodbye);
});

test("after a goodbye another source need not wait, and its own goodbye names the one that players know", () => {
  const by = rig();
  play(by, 1, 50);
  by.rtcp(1, { type: "bye", ssrcs: [mediaSsrc] });
  by.video(100, { ssrc: 7 });
  by.video(101, { ssrc: 7 });
  by.pass(20);
  assert.deepEqual(by.restarts, ["0 new-ssrc"]);
  by.rtcp(1, { type: "bye", ssrcs: [7] });
  by.pass(10_000);
  const last = decodeRtcp(of(by, 1).at(-1)?.bytes ?? new Uint8Array());
  assert.ok(last.ok);
  assert.deepEqual(last.value.at(-1), { type: "bye", ssrcs: [mediaSsrc] });
});

test("players' feedback gets the publisher's numbers; what is about the old run is left out", () => {
  const by = rig();
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

test("what is neither RTP nor RTCP is not touched, before and after", () => {
  const by = rig();
  const stream = Buffer.alloc(1316, 0x47);
  by.push(0, stream, by.now());
  assert.equal(by.got[0]?.bytes, stream);
});
