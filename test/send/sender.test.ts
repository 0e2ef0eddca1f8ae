import assert from "node:assert/strict";
import { test } from "node:test";
import type { PunchcastError } from "../../src/core/errors.ts";
import type { Random } from "../../src/core/random.ts";
import { decodeRtp, type RtpPacket } from "../../src/rtp/header.ts";
import { middle32, wallMsFromNtp } from "../../src/rtp/ntp.ts";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import { writeSdp } from "../../src/sdp/session.ts";
import type { Media } from "../../src/send/media.ts";
import { createSender, type Sender, type SenderOptions } from "../../src/send/sender.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { audioTrack, memoryMedia, videoTrack } from "./memory-media.ts";

interface Rig {
  readonly clock: FakeClock;
  readonly sender: Sender;
  /** RTP packets of a track with the milliseconds since the start at which they left. */
  rtp(track: number): (RtpPacket & { atMs: number })[];
  /** RTCP compounds of a track, likewise. */
  rtcp(track: number): { atMs: number; packets: readonly RtcpPacket[] }[];
  readonly ends: (PunchcastError | undefined)[];
}

/** Bytes that differ with every call, the same in every run. */
function countingRandom(): Random {
  let state = 0x9e37_79b9;
  return {
    bytes: (length) =>
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state >>> 24;
      }),
  };
}

function rig(media: Media, options: Partial<SenderOptions> = {}): Rig {
  const clock = createFakeClock(1000, Date.UTC(2026, 0, 1));
  const startedAt = clock.now();
  const sent: { component: number; bytes: Uint8Array; atMs: number }[] = [];
  const ends: Rig["ends"] = [];
  const sender = createSender({
    media,
    clock,
    random: countingRandom(),
    transport: { send: (component, bytes) => sent.push({ component, bytes, atMs: clock.now() - startedAt }) },
    onEnd: (error) => ends.push(error),
    ...options,
  });
  const of = <T>(
    component: number,
    decode: (bytes: Uint8Array) => { ok: true; value: T } | { ok: false },
  ): { atMs: number; value: T }[] =>
    sent
      .filter((datagram) => datagram.component === component)
      .map(({ bytes, atMs }) => {
        const result = decode(bytes);
        assert.ok(result.ok);
        return { atMs, value: result.value };
      });
  return {
    clock,
    sender,
    ends,
    rtp: (track) => of(2 * track, decodeRtp).map(({ atMs, value }) => ({ ...value, atMs })),
    rtcp: (track) => of(2 * track + 1, decodeRtcp).map(({ atMs, value }) => ({ atMs, packets: value })),
  };
}

const signed = (difference: number): number => difference | 0;

test("a frame's packets are spread over its time: none early, none later than the next frame", async () => {
  const { clock, sender, rtp } = rig(memoryMedia([videoTrack(8, 1000)]));
  sender.start();
  await clock.advanceSettling(2000);
  const packets = rtp(0);
  assert.equal(packets.length, 80);
  packets.forEach(({ atMs, marker }, i) => {
    const due = i * 4;
    assert.ok(atMs >= due && atMs <= due + 2, `packet ${i} left at ${atMs} ms instead of ${due}`);
    assert.equal(marker, i % 10 === 9);
  });
});

test("timestamps follow the time of showing, and both tracks count from the same instant", async () => {
  const { clock, sender, rtp, rtcp } = rig(memoryMedia([videoTrack(8, 100), audioTrack(16)]));
  sender.start();
  await clock.advanceSettling(1000);
  const [video, audio] = [rtp(0), rtp(1)];
  const base = video[0]?.timestamp ?? 0;
  assert.deepEqual(
    video.map(({ timestamp }) => signed(timestamp - base) / 3600),
    [0, 3, 1, 2, 4, 7, 5, 6],
  );
  assert.ok(audio.every(({ timestamp }, i) => signed(timestamp - (audio[0]?.timestamp ?? 0)) === i * 960));
  // Sample times by the sender reports: the first picture is shown at 0, the first sound 6.5 ms of delay before.
  const [videoReport, audioReport] = [rtcp(0)[0]?.packets[0], rtcp(1)[0]?.packets[0]];
  assert.ok(videoReport?.type === "sender-report" && audioReport?.type === "sender-report");
  const shownMs = (timestamp: number, report: typeof videoReport, rate: number): number =>
    wallMsFromNtp(report.ntp) + (signed(timestamp - report.rtpTimestamp) / rate) * 1000;
  const difference = shownMs(base, videoReport, 90_000) - shownMs(audio[0]?.timestamp ?? 0, audioReport, 48_000);
  assert.ok(Math.abs(difference - 6.5) < 0.05, `${difference} ms`);
});

test("sender reports come at once and every five seconds, with the wall clock, the RTP clock and the counts", async () => {
  const { clock, sender, rtp, rtcp } = rig(memoryMedia([videoTrack(400, 300)]));
  sender.start();
  await clock.advanceSettling(11_000);
  const reports = rtcp(0);
  assert.deepEqual(
    reports.map(({ atMs }) => atMs),
    [0, 5000, 10_000],
  );
  const first = reports[0]?.packets[0];
  assert.ok(first?.type === "sender-report");
  const cnames = reports.map(({ atMs, packets: [report, description] }) => {
    assert.ok(report?.type === "sender-report" && description?.type === "source-description");
    assert.ok(Math.abs(wallMsFromNtp(report.ntp) - (Date.UTC(2026, 0, 1) + atMs)) < 0.01);
    assert.equal(signed(report.rtpTimestamp - first.rtpTimestamp), atMs * 90);
    const before = rtp(0).filter((packet) => packet.atMs < atMs);
    assert.ok(Math.abs(report.packetCount - before.length) <= 1);
    assert.equal(report.octetCount, report.packetCount * 100);
    assert.deepEqual(
      description.chunks.map(({ ssrc }) => ssrc),
      [report.ssrc],
    );
    return description.chunks[0]?.items[0]?.text;
  });
  assert.equal(new Set(cnames).size, 1);
});

test("the end comes when the last frame is over: BYE on every track, then onEnd, once", async () => {
  const { clock, sender, rtcp, ends } = rig(memoryMedia([videoTrack(8, 100), audioTrack(10)]), { lingerMs: 200 });
  sender.start();
  await clock.advanceSettling(5000);
  for (const track of [0, 1]) {
    const last = rtcp(track).at(-1);
    assert.deepEqual(
      last?.packets.map(({ type }) => type),
      ["sender-report", "source-description", "bye"],
    );
    assert.equal(last?.atMs, 8 * 40 + 200);
    const bye = last?.packets.at(-1);
    assert.deepEqual(bye?.type === "bye" && bye.ssrcs, [sender.streams[track]?.ssrc]);
  }
  sender.stop();
  assert.deepEqual(ends, [undefined]);
});

test("stop says BYE at once, and nothing leaves after it", async () => {
  const { clock, sender, rtp, rtcp, ends } = rig(memoryMedia([videoTrack(400, 100)]), { loop: true });
  sender.stop();
  const again = rig(memoryMedia([videoTrack(400, 100)]), { loop: true });
  again.sender.start();
  await again.clock.advanceSettling(500);
  again.sender.stop();
  assert.equal(again.rtcp(0).at(-1)?.atMs, 500);
  const sent = again.rtp(0).length;
  await again.clock.advanceSettling(10_000);
  assert.equal(again.rtp(0).length, sent);
  assert.equal(again.rtcp(0).length, 2);
  assert.deepEqual(again.ends, [undefined]);
  // One that was stopped before it began has nothing to take back, and does not begin.
  sender.start();
  await clock.advanceSettling(500);
  assert.deepEqual([rtp(0), rtcp(0), ends], [[], [], []]);
});

test("a loop goes on in sequence and time, and keeps tracks of different length in step", async () => {
  const { clock, sender, rtp } = rig(memoryMedia([videoTrack(8, 100), audioTrack(17)]), { loop: true });
  sender.start();
  await clock.advanceSettling(3400);
  // A pass is as long as the longer track: 17 packets of 20 ms.
  const passMs = 340;
  for (const [track, count, rate] of [
    [0, 8, 90],
    [1, 17, 48],
  ] as const) {
    const packets = rtp(track);
    assert.ok(packets.length > count * 9);
    packets.forEach(({ sequenceNumber, timestamp, atMs }, i) => {
      assert.equal(sequenceNumber, ((packets[0]?.sequenceNumber ?? 0) + i) & 0xffff);
      const earlier = packets[i - count];
      if (earlier === undefined) return;
      assert.equal(signed(timestamp - earlier.timestamp), passMs * rate);
      assert.ok(Math.abs(atMs - earlier.atMs - passMs) <= 2);
    });
  }
  assert.equal(sender.stats().pass, 9);
});

test("a late event loop catches up at twice the rate, without a burst", async () => {
  const { clock, sender, rtp } = rig(memoryMedia([videoTrack(100, 1000)]));
  sender.start();
  await clock.advanceSettling(400);
  await clock.advanceSettling(1000, 200);
  const packets = rtp(0);
  // 200 ms are 50 packets; 10 ms of stream, 2 or 3 packets, may leave at a time.
  const perInstant = Map.groupBy(packets, ({ atMs }) => Math.round(atMs));
  assert.ok(Math.max(...Array.from(perInstant.values(), ({ length }) => length)) <= 5);
  const late = packets.findIndex(({ atMs }) => atMs >= 600);
  const caughtUp = packets.findIndex(({ atMs }, i) => i > late && atMs <= i * 4 + 16);
  const tookMs = (packets[caughtUp]?.atMs ?? 0) - 600;
  assert.ok(tookMs > 100 && tookMs < 300, `caught up after ${tookMs} ms`);
});

test("a stall of seconds is not made up for: the stream goes on where it was, and the reports say so", async () => {
  const { clock, sender, rtp, rtcp } = rig(memoryMedia([videoTrack(400, 100)]));
  sender.start();
  await clock.advanceSettling(1000);
  const before = rtp(0).length;
  await clock.advanceSettling(10_000, 6000);
  const packets = rtp(0);
  assert.ok(packets.length - before <= 4000 / 40 + 2);
  const report = rtcp(0).at(-1)?.packets[0];
  const shown = packets.filter(({ atMs }) => atMs <= (rtcp(0).at(-1)?.atMs ?? 0)).at(-1);
  assert.ok(report?.type === "sender-report" && shown !== undefined);
  // The last picture sent is shown within its reordering delay of the instant that the report names.
  assert.ok(Math.abs(signed(shown.timestamp - report.rtpTimestamp)) <= 90 * 240);
});

test("receiver reports are shown with loss, jitter and round trip; junk is counted", async () => {
  const { clock, sender, rtcp } = rig(memoryMedia([videoTrack(100, 100), audioTrack(200)]));
  sender.start();
  await clock.advanceSettling(100);
  const report = rtcp(0)[0]?.packets[0];
  assert.ok(report?.type === "sender-report");
  const block = {
    ssrc: report.ssrc,
    ...{ fractionLost: 64, cumulativeLost: 7, highestSequenceNumber: 9, jitter: 900 },
    ...{ lastSenderReport: middle32(report.ntp), delaySinceSenderReport: Math.round(0.06 * 65_536) },
  };
  sender.receive(1, encodeRtcp([{ type: "receiver-report", ssrc: 1, reports: [block, { ...block, ssrc: 5 }] }]));
  // A report about the picture on the sound's component is not believed.
  sender.receive(3, encodeRtcp([{ type: "receiver-report", ssrc: 1, reports: [{ ...block, cumulativeLost: 99 }] }]));
  sender.receive(1, Uint8Array.of(1, 2, 3));
  sender.receive(99, new Uint8Array());
  const { tracks, malformedFeedback } = sender.stats();
  const { rttMs = 0, ...rest } = tracks[0]?.receiver ?? assert.fail();
  assert.deepEqual(rest, { lossFraction: 0.25, lost: 7, jitterMs: 10 });
  assert.ok(Math.abs(rttMs - 40) < 1, `${rttMs} ms`);
  assert.equal(tracks[1]?.receiver, undefined);
  assert.equal(malformedFeedback, 2);
});

test("what is asked for again is sent again, within a quarter of the rate; a key frame cannot be asked of a file", async () => {
  const { clock, sender, rtp } = rig(memoryMedia([videoTrack(100, 1_000), audioTrack(100)]));
  sender.start();
  await clock.advanceSettling(1_000);
  const before = rtp(0);
  const [ssrc = 0, audioSsrc = 0] = sender.streams.map((stream) => stream.ssrc);
  const wanted = before.slice(-3).map(({ sequenceNumber }) => sequenceNumber);
  const nack = { type: "nack", senderSsrc: 1, mediaSsrc: ssrc, sequenceNumbers: wanted } as const;
  sender.receive(1, encodeRtcp([nack]));
  assert.deepEqual(
    rtp(0)
      .slice(before.length)
      .map(({ sequenceNumber, payload }) => ({ sequenceNumber, payload })),
    before.slice(-3).map(({ sequenceNumber, payload }) => ({ sequenceNumber, payload })),
  );
  sender.receive(0, encodeRtcp([nack]));
  sender.receive(1, encodeRtcp([{ ...nack, mediaSsrc: audioSsrc }]));
  sender.receive(1, encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc: ssrc }]));
  assert.equal(rtp(0).length, before.length + 3, "at once for the same, for another source, for a key frame");
  const everything = before.map(({ sequenceNumber }) => sequenceNumber);
  sender.receive(0, encodeRtcp([{ ...nack, sequenceNumbers: everything }]));
  const resent = sender.stats().tracks[0]?.resent ?? 0;
  assert.ok(resent > 3 && resent <= before.length / 4, `${resent} of ${before.length}`);
  assert.equal(rtp(0).length, before.length + resent);
});

test("statistics come once a second and count what left", async () => {
  const seen: number[] = [];
  const media = memoryMedia([videoTrack(100, 300)]);
  const { clock, sender } = rig(media, { onStats: ({ tracks }) => seen.push(tracks[0]?.accessUnits ?? 0) });
  sender.start();
  await clock.advanceSettling(3500);
  assert.deepEqual(
    seen.map((n) => Math.round(n / 5) * 5),
    [25, 50, 75],
  );
  const [track] = sender.stats().tracks;
  assert.equal(track?.bytes, (track?.packets ?? 0) * 112);
});

test("a file that can no longer be read ends the stream with BYE and the error", async () => {
  const failure = new Error("gone");
  const media = memoryMedia([videoTrack(400, 100)], ({ dts, size }) =>
    dts < 512 * 50 ? Promise.resolve(new Uint8Array(size)) : Promise.reject(failure),
  );
  const { clock, sender, rtcp, ends } = rig(media);
  sender.start();
  await clock.advanceSettling(5000);
  assert.equal(ends.length, 1);
  assert.deepEqual([ends[0]?.code, ends[0]?.cause], ["INTERNAL", failure]);
  assert.equal(rtcp(0).at(-1)?.packets.at(-1)?.type, "bye");
});

test("the description names every track before the start", () => {
  const { sender } = rig(memoryMedia([videoTrack(4, 100), audioTrack(4)]));
  const text = writeSdp(sender.describe("192.0.2.7", 9099));
  for (const line of [
    "c=IN IP4 192.0.2.7",
    "m=video 9099 RTP/AVP 96",
    "a=rtpmap:96 H264/90000",
    "m=audio 9101 RTP/AVP 97",
    "a=rtpmap:97 opus/48000/2",
    "a=fmtp:97 sprop-stereo=1",
  ]) {
    assert.ok(text.split("\r\n").includes(line), `${line} is not in\n${text}`);
  }
  assert.notEqual(sender.streams[0]?.ssrc, sender.streams[1]?.ssrc);
});

test("an impossible mtu is refused", () => {
  for (const mtu of [199, 65_508, 1400.5, Number.NaN]) {
    assert.throws(() => rig(memoryMedia([videoTrack(4, 100)]), { mtu }), { code: "BAD_OPTION" });
  }
});
