import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readRtp } from "../../src/rtp/demux.ts";
import { createReceiveStatistics, type ReceiveSnapshot } from "../../src/rtp/receive-statistics.ts";
import { encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { describeSource } from "../../src/rtp/rtcp/source-description.ts";

interface Sent {
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly arrivalMs: number;
  readonly ssrc?: number;
}

const packetLength = 112;
const clockRateOf = (): number => 90_000;

function receive(packets: Iterable<Sent>): ReceiveSnapshot {
  const statistics = createReceiveStatistics({ clockRateOf });
  for (const { sequenceNumber, timestamp, arrivalMs, ssrc = 0x6b8b4567 } of packets) {
    const fields = { payloadType: 96, marker: false, sequenceNumber, timestamp, ssrc };
    statistics.onPacket(fields, packetLength, arrivalMs);
  }
  return statistics.snapshot();
}

/** `count` packets 10 ms apart from a sequence number, a timestamp and a time on. */
function run(count: number, from: Partial<Sent> = {}): Sent[] {
  return Array.from({ length: count }, (_, i) => ({
    ...from,
    sequenceNumber: ((from.sequenceNumber ?? 1) + i) & 0xffff,
    timestamp: ((from.timestamp ?? 1000) + i * 900) >>> 0,
    arrivalMs: (from.arrivalMs ?? 0) + i * 10,
  }));
}

const clean = { duplicates: 0, lost: 0, reordered: 0, restarts: 0 };

test("a sound stream over two wraps of the sequence has nothing to report", () => {
  const { jitterMs, ...counts } = receive(run(150_000, { sequenceNumber: 65_000, timestamp: 0xfffff000 }));
  assert.deepEqual(counts, { ...clean, packets: 150_000, bytes: 150_000 * 112 });
  assert.ok(jitterMs < 1e-6);
});

test("loss is what was expected less what came", () => {
  const packets = run(70_000, { sequenceNumber: 40_000 }).filter((_, i) => i === 0 || i % 10 !== 0 || i > 69_990);
  assert.equal(receive(packets).lost, 6_999);
});

test("loss, duplicates and reordering within a window are counted exactly", () => {
  const delays = fc.array(fc.record({ drop: fc.boolean(), twice: fc.boolean(), delay: fc.nat(30) }), {
    minLength: 1,
    maxLength: 300,
  });
  fc.assert(
    fc.property(delays, fc.nat(0xffff), (fates, sequenceNumber) => {
      const sent = run(fates.length, { sequenceNumber });
      const arrivals = sent
        .flatMap((packet, i) => {
          const { drop, twice, delay } = fates[i] ?? assert.fail();
          if (drop) return [];
          const once = { i, at: i + delay, packet };
          return twice ? [once, { ...once, at: i + 15 }] : [once];
        })
        .sort((a, b) => a.at - b.at);
      const kinds = new Set(arrivals.map(({ i }) => i));
      const highest = Math.max(...kinds);
      const lowest = Math.min(...kinds);
      const seen = new Set<number>();
      let late = 0;
      for (const { i } of arrivals) {
        if (!seen.has(i) && i < Math.max(...seen, -1)) late += 1;
        seen.add(i);
      }
      const { lost, duplicates, reordered, restarts } = receive(arrivals.map(({ packet }) => packet));
      assert.deepEqual(
        { lost, duplicates, reordered, restarts },
        {
          lost: kinds.size === 0 ? 0 : highest - lowest + 1 - kinds.size,
          duplicates: arrivals.length - kinds.size,
          reordered: late,
          restarts: 0,
        },
      );
    }),
  );
});

test("an outage is loss, even when it is longer than RFC 3550's MAX_DROPOUT", () => {
  const packets = [
    ...run(100),
    ...run(100, { sequenceNumber: 20_101, timestamp: 1000 + 20_100 * 900, arrivalMs: 201_000 }),
  ];
  const { lost, restarts } = receive(packets);
  assert.deepEqual({ lost, restarts }, { lost: 20_000, restarts: 0 });
});

test("a publisher that starts again with the same SSRC has lost nothing", () => {
  // Where the old sequence stood decides how RFC 3550 A.1 alone would see it: reordering, loss or a restart.
  for (const count of [150, 2000, 30_000, 60_000, 64_000, 65_530, 65_600]) {
    for (const timestamp of [1000, 0x80000000, 0x12345678]) {
      const first = run(count);
      const second = run(500, { timestamp, arrivalMs: count * 10 + 300 });
      const { jitterMs, ...counts } = receive([...first, ...second]);
      const packets = count + 500;
      assert.deepEqual(counts, { ...clean, restarts: 1, packets, bytes: packets * 112 }, `${count}, ${timestamp}`);
      assert.ok(jitterMs < 1e-6, `jitter ${jitterMs}`);
    }
  }
});

test("a packet that is late by hundreds fills its gap, however long the stream has run", () => {
  const packets = run(5000);
  const [late] = packets.splice(3000, 1);
  assert.ok(late);
  packets.splice(3090, 0, late);
  const { lost, duplicates, reordered, restarts } = receive(packets);
  assert.deepEqual({ lost, duplicates, reordered, restarts }, { ...clean, reordered: 1 });
  const fast = run(5000).map((packet) => ({
    ...packet,
    timestamp: packet.timestamp / 10,
    arrivalMs: packet.arrivalMs / 10,
  }));
  fast.splice(3900, 0, ...fast.splice(3000, 2));
  const repaired = receive(fast);
  assert.deepEqual([repaired.lost, repaired.reordered, repaired.restarts], [0, 2, 0]);
});

test("a restart does not count as jitter, and its clock is learned anew", () => {
  const { jitterMs } = receive([...run(500), ...run(20, { arrivalMs: 6000 })]);
  assert.ok(jitterMs < 1e-6, `jitter ${jitterMs}`);
  const statistics = createReceiveStatistics();
  const send = (clockRate: number, startMs: number): void => {
    for (let i = 0; i < 500; i += 1) {
      const fields = { payloadType: 97, marker: true, sequenceNumber: 1 + i, timestamp: (i * clockRate) / 50, ssrc: 7 };
      statistics.onPacket(fields, packetLength, startMs + i * 20 + (i % 2) * 4);
    }
  };
  send(48_000, 0);
  send(16_000, 20_000);
  assert.equal(statistics.snapshot().restarts, 1);
  assert.ok(Math.abs(statistics.snapshot().jitterMs - 4) < 0.1, `jitter ${statistics.snapshot().jitterMs}`);
});

test("the ninth source takes the place of the one not heard for longest, whose losses stay counted", () => {
  const withLoss = (ssrc: number, start: number): Sent[] =>
    run(20, { ssrc, arrivalMs: start }).filter((_, i) => i !== 10);
  const nine = Array.from({ length: 9 }, (_, i) => withLoss(i, i * 1000)).flat();
  const returned = run(20, { ssrc: 0, sequenceNumber: 41, timestamp: 37_000, arrivalMs: 10_000 });
  const { lost, restarts } = receive([...nine, ...returned]);
  assert.deepEqual({ lost, restarts }, { lost: 9, restarts: 9 });
});

test("losses before and after a restart add up", () => {
  const gap = ({ sequenceNumber }: Sent): boolean => sequenceNumber !== 50;
  const { lost, restarts } = receive([
    ...run(500).filter(gap),
    ...run(500, { arrivalMs: 9000 }).filter(gap),
    ...run(500, { arrivalMs: 20_000 }).filter(gap),
  ]);
  assert.deepEqual({ lost, restarts }, { lost: 3, restarts: 2 });
});

test("another SSRC is a restart, two that alternate are not more than one", () => {
  const other = { ssrc: 7, sequenceNumber: 30_000 };
  const changed = receive([...run(100), ...run(100, { ...other, arrivalMs: 1000 })]);
  assert.deepEqual([changed.lost, changed.restarts], [0, 1]);
  const [a, b] = [run(100), run(100, other)];
  const mixed = receive(a.flatMap((packet, i) => [packet, b[i] ?? packet]));
  assert.deepEqual([mixed.lost, mixed.restarts, mixed.reordered, mixed.duplicates], [0, 1, 0, 0]);
});

test("stray packets, far sequence numbers and floods of SSRCs change nothing", () => {
  const sound = run(3000);
  const strays = fc.record({ sequenceNumber: fc.nat(0xffff), timestamp: fc.nat(0xffffffff), ssrc: fc.nat(0xffff) });
  fc.assert(
    fc.property(fc.uniqueArray(strays, { selector: ({ ssrc }) => ssrc, maxLength: 100 }), (junk) => {
      const packets = sound.flatMap((packet, i) => {
        const stray = i % 30 === 0 ? junk[i / 30] : undefined;
        return stray === undefined ? [packet] : [packet, { ...stray, arrivalMs: packet.arrivalMs }];
      });
      const { lost, duplicates, reordered, restarts } = receive(packets);
      assert.deepEqual({ duplicates, lost, reordered, restarts }, clean);
    }),
    { numRuns: 20 },
  );
  const lone = receive(
    sound.flatMap((p, i) => (i % 30 === 29 ? [p, { ...p, sequenceNumber: p.sequenceNumber ^ 0x5555 }] : [p])),
  );
  assert.deepEqual([lone.lost, lone.restarts], [0, 0]);
});

test("jitter is RFC 3550 A.8's", () => {
  const noisy = run(500).map((packet, i) => ({ ...packet, arrivalMs: packet.arrivalMs + (i % 7) * 1.5 }));
  let expected = 0;
  for (const [i, packet] of noisy.entries()) {
    const before = noisy[i - 1];
    if (before === undefined) continue;
    const transit = (p: Sent): number => p.arrivalMs - p.timestamp / 90;
    expected += (Math.abs(transit(packet) - transit(before)) - expected) / 16;
  }
  assert.ok(expected > 1);
  assert.ok(Math.abs(receive(noisy).jitterMs - expected) < 1e-6);
});

test("without an SDP the clock rate is estimated", () => {
  const statistics = createReceiveStatistics();
  for (const { arrivalMs, ...packet } of run(500)) {
    const fields = { payloadType: 96, marker: false, ssrc: 1, ...packet };
    statistics.onPacket(fields, packetLength, arrivalMs + (packet.sequenceNumber % 2) * 8);
  }
  // Every packet's transit changes by 8 ms.
  assert.ok(Math.abs(statistics.snapshot().jitterMs - 8) < 0.1, `${statistics.snapshot().jitterMs}`);
});

test("tells what a report block needs of each source, and the rate of all datagrams", () => {
  const statistics = createReceiveStatistics({ clockRateOf });
  for (const { arrivalMs, ...packet } of run(200).filter((_, i) => i !== 50)) {
    statistics.onPacket({ payloadType: 96, marker: false, ssrc: 7, ...packet }, packetLength, arrivalMs);
    statistics.onPacket(undefined, 100, arrivalMs);
  }
  assert.deepEqual(statistics.reception(7), {
    ...{ expected: 200, received: 199, highestSequenceNumber: 200, jitterTicks: 0 },
  });
  assert.equal(statistics.reception(8), undefined);
  assert.equal(statistics.rate.totalBytes(), 199 * 212);
  assert.equal(statistics.rate.bytesPerSecond(2_000), 100 * 212);
});

test("datagrams that are not RTP count in packets and bytes only", () => {
  const statistics = createReceiveStatistics();
  for (const bytes of [encodeRtcp([describeSource(1, "a")]), new Uint8Array(1316).fill(0x47), new Uint8Array(0)]) {
    statistics.onPacket(readRtp(bytes), bytes.length, 1);
  }
  assert.deepEqual(statistics.snapshot(), { ...clean, packets: 3, bytes: 12 + 1316, jitterMs: 0 });
});

test("no bytes make it throw", () => {
  const statistics = createReceiveStatistics();
  const rtpLike = fc.uint8Array({ maxLength: 40 }).map((bytes) => Uint8Array.of(0x80, 96, ...bytes));
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array(), rtpLike),
      fc.nat(),
      (bytes, at) => void statistics.onPacket(readRtp(bytes), bytes.length, at),
    ),
  );
});
