import assert from "node:assert/strict";
import { test } from "node:test";
import { createStunMachine } from "../../src/punch/stun-machine.ts";
import { createReminder } from "../../src/relay/reminder.ts";
import { decodeMessage } from "../../src/stun/message.ts";
import { createBench, host, refusalOf, replyOf, rtcpPacket, rtpPacket } from "./support.ts";

const random = { bytes: (length: number): Uint8Array => new Uint8Array(length).fill(7) };
const from = { address: "192.0.2.1", port: 5000 };

test("a source is reminded twice a second, never with more than it sent", () => {
  const reminder = createReminder(random);
  const reminded = (length: number, now: number, port = 5000): number | undefined =>
    reminder.remind({ ...from, port }, new Uint8Array(length), now)?.length;
  assert.equal(reminded(27, 0), undefined);
  assert.equal(reminded(28, 0), 28);
  assert.equal(reminded(1200, 0, 5001), 28);
  assert.equal(reminded(1200, 499), undefined);
  assert.equal(reminded(1200, 500), 28);
  const message = decodeMessage(reminder.remind({ ...from, port: 1 }, new Uint8Array(28), 0) ?? new Uint8Array());
  assert.ok(message.ok && message.value.messageClass === "indication");
});

test("a reminded machine asks at once, but not again while its request may be under way", () => {
  const reminder = createReminder(random);
  const reminder28 = reminder.remind(from, new Uint8Array(28), 0) ?? new Uint8Array();
  const session = "0123456789abcdef";
  const machine = createStunMachine({
    ...{ role: "publisher", component: 0, session, username: "live", password: "secret", random },
  });
  assert.ok(machine.poll(0));
  machine.receive(reminder28, 100);
  assert.ok(machine.wakeAt() > 100 && machine.wakeAt() <= 500);
  assert.ok(machine.poll(500));
  assert.ok(machine.wakeAt() > 1200);
  assert.equal(machine.receive(reminder28, 1200), "quiet");
  assert.equal(machine.wakeAt(), 1200);
});

test("media from nobody known is reminded, and no bare punch even on an open relay", () => {
  for (const open of [undefined, { from: [] }]) {
    const bench = createBench({ open });
    for (const [i, media] of [rtpPacket(), Buffer.concat([rtcpPacket, new Uint8Array(20)])].entries()) {
      const decision = bench.punch(host(i), media);
      assert.equal(refusalOf(decision), "unknown-source");
      assert.equal(replyOf(decision)?.length, 28);
    }
    assert.equal(bench.core.holes.count(), 0);
  }
});
