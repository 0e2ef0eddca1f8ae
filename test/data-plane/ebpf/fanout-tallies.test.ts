import assert from "node:assert/strict";
import { test } from "node:test";
import { createFanoutTallies } from "../../../src/data-plane/ebpf/fanout-tallies.ts";
import { openHoleTable } from "../../../src/data-plane/ebpf/hole-table.ts";
import {
  fanoutOffsets,
  fanoutSlots,
  holeSlots,
  type NotSentReason,
  notSentReasons,
} from "../../../src/data-plane/ebpf/layout.ts";

test("what the kernel counted is told from when this plane began, by component and reason", () => {
  const fanouts = new ArrayBuffer(128 * fanoutSlots);
  const table = openHoleTable(new ArrayBuffer(128 * holeSlots), fanouts);
  const [first, second] = [table.fanout(7n) ?? 0, table.fanout(9n) ?? 0];
  const count = (fanout: number, offset: number, by: bigint): void => {
    const longs = new BigUint64Array(fanouts);
    const at = (128 * fanout + offset) / 8;
    longs[at] = (longs[at] ?? 0n) + by;
  };
  const countReason = (fanout: number, reason: NotSentReason, by: bigint): void =>
    count(fanout, fanoutOffsets.reasons + 8 * notSentReasons.indexOf(reason), by);
  // By an earlier relay's time.
  countReason(first, "queue-full", 100n);
  count(first, fanoutOffsets.unseenPackets, 50n);
  count(first, fanoutOffsets.untapped, 3n);
  const tallies = createFanoutTallies(table);
  tallies.follow("live/0", first);
  tallies.follow("live/2", second);
  assert.deepEqual([tallies.notSent().size, tallies.unseen().size, tallies.untapped()], [0, 0, 0]);
  countReason(first, "queue-full", 4n);
  countReason(second, "expired", 1n);
  countReason(second, "no-neighbour", 2n);
  count(first, fanoutOffsets.unseenPackets, 8n);
  count(first, fanoutOffsets.unseenBytes, 80n);
  count(second, fanoutOffsets.untapped, 6n);
  tallies.follow("live/0", first);
  assert.deepEqual(Object.fromEntries(tallies.notSent()), {
    "live/0": { "queue-full": 4 },
    "live/2": { "no-neighbour": 2, expired: 1 },
  });
  assert.deepEqual([...tallies.unseen()], [["live/0", { packets: 8, bytes: 80 }]]);
  assert.equal(tallies.untapped(), 6);
});
