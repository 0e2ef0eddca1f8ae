import assert from "node:assert/strict";
import { test } from "node:test";
import { readRtp } from "../../src/rtp/demux.ts";
import { createReceiveStatistics, type ReceiveStatistics } from "../../src/rtp/receive-statistics.ts";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import { createRepair, type Repair, type RepairOptions } from "../../src/watch/repair.ts";
import { mediaSsrc, numberOf, packet } from "../media/support.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

function rig(options: Partial<RepairOptions> = {}): Repair & {
  readonly clock: FakeClock;
  /** What went to the relay: component and packet. */
  readonly sent: { readonly component: number; readonly packet: RtcpPacket }[];
  /** What the player got. */
  readonly got: { readonly component: number; readonly bytes: Uint8Array }[];
  /** Each number that was asked for, and when. */
  asked(): { number: number; at: number }[];
  come(...numbers: number[]): void;
} {
  const clock = createFakeClock();
  const sent: { component: number; packet: RtcpPacket; at: number }[] = [];
  const got: { component: number; bytes: Uint8Array }[] = [];
  const statistics = new Map<number, ReceiveStatistics>();
  function receivedOf(component: number): ReceiveStatistics {
    const received = statistics.get(component) ?? createReceiveStatistics({ clockRateOf: () => 90_000 });
    statistics.set(component, received);
    return received;
  }
  const repair = createRepair({
    ...{ receivedOf, latencyMs: 0, asks: true, reports: true, clock, random: createSeededRandom(3) },
    send(component, bytes) {
      const packets = decodeRtcp(bytes);
      assert.ok(packets.ok);
      for (const each of packets.value) sent.push({ component, packet: each, at: clock.now() });
    },
    deliver: (component, bytes) => got.push({ component, bytes }),
    ...options,
  });
  function receive(component: number, bytes: Uint8Array): void {
    receivedOf(component).onPacket(readRtp(bytes), bytes.length, clock.now());
    repair.receive(component, bytes);
  }
  return {
    ...{ ...repair, receive, clock, sent, got },
    asked: () =>
      sent.flatMap(({ packet: each, at }) =>
        each.type === "nack" ? each.sequenceNumbers.map((number) => ({ number, at })) : [],
      ),
    come: (...numbers) => {
      for (const number of numbers) receive(0, packet(number));
    },
  };
}

test("asks for what is missing from the socket that misses it, again in time, until it comes", () => {
  const { come, asked, sent, clock, noteRtt, stats, got } = rig();
  noteRtt(20);
  come(1, 2, 4);
  assert.deepEqual(asked(), [{ number: 3, at: 0 }]);
  const [first] = sent;
  assert.ok(first?.component === 0 && first.packet.type === "nack");
  assert.equal(first.packet.mediaSsrc, mediaSsrc);
  clock.advance(32);
  assert.deepEqual(
    asked().map(({ at }) => at),
    [0, 30],
  );
  come(3, 3);
  clock.advance(1_000);
  assert.equal(asked().length, 2);
  assert.deepEqual(
    got.map(({ bytes }) => numberOf(bytes)),
    [1, 2, 4, 3],
  );
  assert.deepEqual(stats(0), { requested: 1, repaired: 1, late: 1, duplicates: 1 });
});

test("with latency the player gets them in order, or after the latency without the one that never came", () => {
  const { come, clock, got, close } = rig({ latencyMs: 50 });
  const numbers = (): number[] => got.splice(0).map(({ bytes }) => numberOf(bytes));
  come(1, 2, 4);
  clock.advance(20);
  come(3);
  assert.deepEqual(numbers(), [1, 2, 3, 4]);
  come(6);
  clock.advance(49);
  assert.deepEqual(numbers(), []);
  clock.advance(1);
  assert.deepEqual(numbers(), [6]);
  come(8);
  close();
  assert.deepEqual(numbers(), [8], "what waits at the end is handed on");
});

test("reports on its leg every few seconds, under one name, answering the publisher's report", () => {
  const { clock, receive, sent } = rig();
  const ntp = { seconds: 7, fraction: 0 };
  for (let number = 1; number < 300; number += 1) {
    receive(0, packet(number));
    receive(2, packet(number, { ssrc: 9 }));
    if (number === 2) {
      const counts = { rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] };
      receive(1, encodeRtcp([{ type: "sender-report", ssrc: mediaSsrc, ntp, ...counts }]));
    }
    clock.advance(40);
  }
  const reports = sent.filter(({ packet: { type } }) => type === "receiver-report");
  for (const component of [0, 2]) assert.ok(reports.filter((report) => report.component === component).length >= 2);
  const [first] = reports.filter(({ component }) => component === 0);
  assert.ok(first?.packet.type === "receiver-report");
  assert.equal(first.packet.reports[0]?.lastSenderReport, 7 << 16);
  const names = sent.flatMap(({ packet: each }) =>
    each.type === "source-description" ? each.chunks.flatMap(({ items }) => items.map(({ text }) => text)) : [],
  );
  assert.equal(names.length, reports.length);
  assert.equal(new Set(names).size, 1);
});

test("RTCP and what is not RTP go straight through, on any component", () => {
  const { receive, got, sent } = rig({ latencyMs: 100 });
  const report = encodeRtcp([{ type: "bye", ssrcs: [1] }]);
  receive(1, report);
  receive(0, report);
  receive(0, Buffer.from("G transport stream"));
  receive(1, packet(5));
  assert.equal(got.length, 4);
  assert.equal(sent.length, 0);
});

test("a viewer without a key says nothing to the relay, nor does one that was told not to ask", () => {
  const bare = rig({ asks: false, reports: false });
  bare.come(1, 2, 4);
  bare.clock.advance(20_000);
  assert.equal(bare.sent.length, 0);
  const quiet = rig({ asks: false });
  quiet.come(1, 2, 4);
  quiet.clock.advance(20_000);
  assert.equal(quiet.asked().length, 0);
  assert.ok(quiet.sent.length > 0);
});

test("after the end nothing is scheduled", () => {
  const { come, close, clock, sent } = rig();
  come(1, 2, 4);
  close();
  const before = sent.length;
  come(6);
  clock.advance(60_000);
  assert.ok(sent.length <= before + 1);
});
