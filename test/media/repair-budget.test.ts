import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { answerNack } from "../../src/media/answer-nack.ts";
import { createPacketHistory } from "../../src/media/packet-history.ts";
import { createRepairBudget } from "../../src/media/repair-budget.ts";
import { createRateMeter } from "../../src/rtp/rate-meter.ts";
import { mediaSsrc, numberOf, packet } from "./support.ts";

test("never more than a quarter of the stream, whatever is asked for and when", () => {
  const step = fc.record({
    pauseMs: fc.oneof(fc.nat(5), fc.nat(3_000)),
    media: fc.nat(1_400),
    asks: fc.array(fc.record({ number: fc.nat(65_535), bytes: fc.nat(1_400) }), { maxLength: 6 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const rate = createRateMeter();
      const budget = createRepairBudget({ rate });
      let [now, media, sent] = [0, 0, 0];
      for (const { pauseMs, media: bytes, asks } of steps) {
        now += pauseMs;
        rate.onPacket(bytes, now);
        media += bytes;
        for (const ask of asks) if (budget.take(1, ask.number, ask.bytes, now) === "send") sent += ask.bytes;
        assert.ok(sent <= media / 4);
      }
    }),
  );
});

test("a quarter can be had: a fifth of the packets lost, one in five repetitions too", () => {
  const rate = createRateMeter();
  const budget = createRepairBudget({ rate });
  let sent = 0;
  for (let number = 0; number < 1_000; number += 1) {
    rate.onPacket(1_000, number);
    if (number % 4 === 3 && budget.take(1, number, 1_000, number) === "send") sent += 1;
  }
  assert.equal(sent, 250);
});

test("a receiver that has just come has a second's worth", () => {
  const rate = createRateMeter();
  for (let now = 0; now < 10_000; now += 10) rate.onPacket(1_000, now);
  const budget = createRepairBudget({ rate });
  let sent = 0;
  for (let number = 0; number < 200; number += 1) if (budget.take(1, number, 1_000, 9_999) === "send") sent += 1;
  assert.equal(sent, 25);
});

test("what was saved up is a second's worth at most", () => {
  const rate = createRateMeter();
  const budget = createRepairBudget({ rate });
  for (let now = 0; now < 60_000; now += 10) rate.onPacket(1_000, now);
  let sent = 0;
  for (let number = 0; number < 200; number += 1) if (budget.take(1, number, 1_000, 60_000) === "send") sent += 1;
  assert.ok(sent >= 22 && sent <= 25, `${sent}`);
});

test("a slow stream saves up for a whole packet", () => {
  const rate = createRateMeter();
  const budget = createRepairBudget({ rate });
  let sent = 0;
  for (let second = 0; second < 40; second += 1) {
    rate.onPacket(1_000, second * 1_000);
    if (budget.take(1, second, 1_000, second * 1_000) === "send") sent += 1;
  }
  assert.equal(sent, 10);
});

test("the same packet not twice within 8 ms, but after the 10 ms that a receiver waits", () => {
  const rate = createRateMeter();
  const budget = createRepairBudget({ rate });
  rate.onPacket(20_000, 0);
  assert.equal(budget.take(1, 5, 1_000, 100), "send");
  assert.equal(budget.take(1, 5, 1_000, 107), "repeated");
  assert.equal(budget.take(2, 5, 10, 107), "send", "another source's");
  assert.equal(budget.take(1, 6, 1_000, 107), "send");
  assert.equal(budget.take(1, 6, 1_000, 116), "send");
});

test("a NACK is answered in its order, as far as packets are known and the budget lasts", () => {
  const rate = createRateMeter();
  const budget = createRepairBudget({ rate });
  const history = createPacketHistory();
  for (let number = 0; number < 12; number += 1) {
    history.add(packet(number), 0);
    rate.onPacket(100, 0);
  }
  const sent: number[] = [];
  const send = (bytes: Uint8Array): number => sent.push(numberOf(bytes));
  const nack = { type: "nack", senderSsrc: 1, mediaSsrc, sequenceNumbers: [3, 99, 2, 3, 4, 5] } as const;
  assert.deepEqual(answerNack(nack, 0, { history, budget, send }), { sent: 3, unknown: 1, repeated: 1, overBudget: 1 });
  assert.deepEqual(sent, [3, 2, 4]);
});
