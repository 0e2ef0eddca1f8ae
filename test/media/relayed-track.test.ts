import assert from "node:assert/strict";
import { test } from "node:test";
import { createIngestStatistics } from "../../src/media/ingest-statistics.ts";
import { createRelayedTrack, type RelayedTrack, type RelayedTrackOptions } from "../../src/media/relayed-track.ts";
import { readRtp } from "../../src/rtp/demux.ts";
import { decodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import type { ReportBlock } from "../../src/rtp/rtcp/report-block.ts";
import type { SenderReport } from "../../src/rtp/rtcp/sender-report.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { mediaSsrc, numberOf, packet } from "./support.ts";

interface Rig extends RelayedTrack {
  /** Packets of 1,000 bytes that come at `now`. */
  come(now: number, ...numbers: number[]): void;
  /** Of another source beside the stream's. */
  comeBeside(now: number, number: number): void;
  /** What a viewer gets that asks for these numbers. */
  ask(viewer: string, now: number, numbers: readonly number[], ssrc?: number): number[];
  tell(viewer: string, now: number, ...packets: RtcpPacket[]): void;
  /** What the publisher is told. */
  told(now: number): RtcpPacket[];
}

function rig(options: Partial<RelayedTrackOptions> = {}): Rig {
  const ingest = createIngestStatistics({ clockRateOf: () => 90_000 });
  const clockRateOf = (): number => 90_000;
  const track = createRelayedTrack({ cname: "relay", random: createSeededRandom(1), clockRateOf, ingest, ...options });
  function take(bytes: Uint8Array, now: number): void {
    const read = readRtp(bytes) ?? assert.fail();
    ingest.onPacket(read, bytes.length, now);
    track.onMedia(read, bytes, now);
  }
  return {
    ...track,
    come(now, ...numbers) {
      for (const number of numbers) take(packet(number, { length: 1_000 }), now);
    },
    comeBeside: (now, number) => take(packet(number, { ssrc: 9, payloadType: 97 }), now),
    ask(viewer, now, sequenceNumbers, ssrc = mediaSsrc) {
      const got: number[] = [];
      const nack = { type: "nack", senderSsrc: 1, mediaSsrc: ssrc, sequenceNumbers } as const;
      track.onViewerRtcp(viewer, [nack], now, (bytes) => got.push(numberOf(bytes)));
      return got;
    },
    tell: (viewer, now, ...packets) =>
      track.onViewerRtcp(viewer, packets, now, () => assert.fail("nothing was asked for")),
    told: (now) =>
      track.poll(now).flatMap((bytes) => {
        const packets = decodeRtcp(bytes);
        return packets.ok ? packets.value : assert.fail();
      }),
  };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** A second of a stream, a packet every 10 ms. */
function running(options: Partial<RelayedTrackOptions> = {}): Rig {
  const track = rig(options);
  for (const number of range(0, 100)) track.come(number * 10, number);
  return track;
}

const block: ReportBlock = {
  ...{ ssrc: mediaSsrc, fractionLost: 64, cumulativeLost: 5, highestSequenceNumber: 99, jitter: 900 },
  ...{ lastSenderReport: 0, delaySinceSenderReport: 0 },
};

function senderReport(seconds: number): SenderReport {
  const counts = { rtpTimestamp: 0, packetCount: 100, octetCount: 1, reports: [] };
  return { type: "sender-report", ssrc: mediaSsrc, ntp: { seconds, fraction: 0 }, ...counts };
}

const pli = { type: "pli", senderSsrc: 1, mediaSsrc } as const;

test("what a viewer asks for comes from a second of history, and not twice at once", () => {
  const { ask, counters } = running();
  assert.deepEqual(ask("a", 1_000, [3, 999, 2]), [3, 2]);
  assert.deepEqual(ask("a", 1_005, [3]), [], "the same request, said twice");
  assert.deepEqual(ask("b", 1_005, [3]), [3], "another viewer's");
  assert.deepEqual(ask("a", 1_010, [3]), [3]);
  assert.deepEqual(ask("a", 1_010, [3], 7), [], "of a source that is not there");
  assert.deepEqual(ask("a", 1_900, [80, 99]), [99]);
  assert.deepEqual(counters(), { resent: 5, refused: 3 });
});

test("each viewer may have a quarter of the stream sent again", () => {
  const { ask, counters, forget } = running();
  assert.equal(ask("a", 1_000, range(0, 100)).length, 25);
  assert.equal(ask("b", 1_000, range(0, 100)).length, 25);
  assert.deepEqual(counters(), { resent: 50, refused: 150 });
  assert.equal(ask("a", 1_000, range(0, 100)).length, 0);
  forget("a");
  assert.equal(ask("a", 1_000, range(0, 100)).length, 25, "who comes anew is another one");
});

test("without a history nothing is sent again", () => {
  const { ask, counters } = running({ historyMs: 0 });
  assert.deepEqual([ask("a", 1_000, [3]), counters()], [[], { resent: 0, refused: 0 }]);
});

test("the publisher is asked for what it lost, at once and again", () => {
  const { come, told, wakeAt, ask } = running();
  told(990);
  come(1_000, 101);
  assert.ok(wakeAt() <= 1_000);
  const [nack] = told(1_000);
  assert.ok(nack?.type === "nack");
  assert.deepEqual([nack.mediaSsrc, nack.sequenceNumbers], [mediaSsrc, [100]]);
  assert.deepEqual(told(1_001), []);
  assert.deepEqual(ask("a", 1_001, [100]), [], "nobody has it");
  come(1_020, 100);
  assert.deepEqual(ask("a", 1_020, [100]), [100]);
});

test("the wishes of all viewers for a key frame are one a second, for the stream's own source", () => {
  const { tell, told, onKeyFrame, wantKeyFrame, comeBeside } = running();
  comeBeside(995, 1);
  const kinds = (now: number): string[] =>
    told(now).flatMap((each) => (each.type === "pli" || each.type === "fir" ? each.type : []));
  tell("a", 1_000, pli);
  tell("b", 1_000, pli);
  tell("c", 1_000, { ...pli, mediaSsrc: 9 });
  assert.deepEqual(kinds(1_000), ["pli"]);
  tell("a", 1_100, { type: "fir", senderSsrc: 1, mediaSsrc: 0, requests: [{ ssrc: mediaSsrc, sequenceNumber: 0 }] });
  tell("b", 1_100, pli);
  assert.deepEqual(kinds(1_999), []);
  assert.deepEqual(kinds(2_000), ["fir"]);
  tell("a", 2_100, pli);
  onKeyFrame();
  assert.deepEqual(kinds(3_100), [], "it has come");
  wantKeyFrame();
  assert.deepEqual(kinds(3_100), ["pli"]);
});

test("the publisher gets the relay's own report of its leg, and answers to its own sender reports", () => {
  const { come, told, wakeAt, onPublisherRtcp } = rig();
  for (const number of range(0, 100)) if (number % 4 !== 0 || number < 2) come(number * 10, number);
  onPublisherRtcp([senderReport(7)], [senderReport(1_000)], 1_000);
  const report = range(1_000, 5_000)
    .flatMap((now) => (now < wakeAt() ? [] : told(now)))
    .find(({ type }) => type === "receiver-report");
  assert.ok(report?.type === "receiver-report");
  const [own] = report.reports;
  assert.deepEqual([own?.ssrc, own?.cumulativeLost, own?.lastSenderReport], [mediaSsrc, 24, 7 << 16]);
  assert.deepEqual([own?.fractionLost, report.reports.length], [Math.floor((24 * 256) / 100), 1]);
});

test("viewers' reports are put together, and passed on to nobody", () => {
  const { tell, told, viewers, viewer, forget, onPublisherRtcp } = running();
  onPublisherRtcp([senderReport(7)], [senderReport(1_000)], 1_000);
  told(1_000);
  const answer = { lastSenderReport: 1_000 << 16, delaySinceSenderReport: 65_536 };
  tell("a", 2_030, { type: "receiver-report", ssrc: 1, reports: [{ ...block, ...answer }] });
  tell("b", 2_050, { ...senderReport(0), ssrc: 2, reports: [{ ...block, fractionLost: 128 }] });
  tell("c", 2_050, { type: "receiver-report", ssrc: 3, reports: [{ ...block, ssrc: 9 }] });
  assert.deepEqual(viewer("a", 2_050), { lossFraction: 0.25, lost: 5, jitterMs: 10, rttMs: 30 });
  const { viewers: count, worstLossFraction, medianRttMs } = viewers(2_050);
  assert.deepEqual([count, worstLossFraction, medianRttMs], [2, 0.5, 30]);
  assert.deepEqual(
    told(2_050).filter(({ type }) => type !== "receiver-report" && type !== "source-description"),
    [],
  );
  forget("b");
  assert.equal(viewers(2_050).worstLossFraction, 0.25);
  assert.equal(viewers(60_000).viewers, 0);
});

test("before the first packet nobody asks for anything", () => {
  const { tell, told, ask, wakeAt, wantKeyFrame, counters } = rig();
  wantKeyFrame();
  tell("a", 0, pli);
  assert.deepEqual([ask("a", 0, [1]), told(0), wakeAt()], [[], [], Number.POSITIVE_INFINITY]);
  assert.deepEqual(counters(), { resent: 0, refused: 0 });
});
