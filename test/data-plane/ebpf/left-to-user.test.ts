import assert from "node:assert/strict";
import { test } from "node:test";
import { configOffsets, printKey, recordKinds, recordOffsets } from "../../../src/data-plane/ebpf/layout.ts";
import { createLeftToUser } from "../../../src/data-plane/ebpf/left-to-user.ts";

const flow = { local: { address: "198.51.100.1", port: 9099 }, publisher: { address: "192.0.2.9", port: 5004 } };
const second = 1_000_000_000n;

/** The map and the counter as the kernel would write them. */
function kernel() {
  const config = new BigUint64Array(8);
  const records = new Map<string, Buffer>();
  let lookups = 0;
  const left = createLeftToUser(config, {
    lookup: (key) => {
      lookups += 1;
      return records.get(Buffer.from(key).toString("hex"));
    },
    set: () => true,
    delete: (key) => records.delete(Buffer.from(key).toString("hex")),
    keys: () => [],
  });
  return {
    left,
    lookups: () => lookups,
    letBy(bytes: Uint8Array, when: bigint, how: keyof typeof recordKinds = "whole", linked = 0) {
      const value = Buffer.alloc(16);
      value.writeBigUInt64LE(when, recordOffsets.when);
      value.writeUInt32LE(linked, recordOffsets.linked);
      value.writeUInt32LE(recordKinds[how], recordOffsets.how);
      records.set(printKey(flow, bytes).toString("hex"), value);
      config[configOffsets.unfanned / 8] = (config[configOffsets.unfanned / 8] ?? 0n) + 1n;
    },
  };
}

test("a packet that the kernel let by is told once: whole, or for whom it was left; and no other", () => {
  const { left, letBy } = kernel();
  const [a, b, c, d] = [Buffer.from("a packet"), Buffer.from("another"), Buffer.from("third"), Buffer.from("fourth")];
  letBy(a, second);
  letBy(b, second, "partly", 7);
  letBy(c, second, "walked", 0xffff_ffff);
  assert.equal(left.take(flow, d, second), undefined);
  assert.equal(left.take(flow, a, second), "whole");
  assert.equal(left.take(flow, a, second), undefined);
  assert.deepEqual(left.take(flow, b, second), { linked: 7, leftAt: second });
  assert.deepEqual(left.take(flow, c, second), { linked: 0xffff_ffff });
});

test("nothing is looked up while the kernel lets nothing by, nor for long after", () => {
  const { left, letBy, lookups } = kernel();
  const [a, b] = [Buffer.from("a"), Buffer.from("b")];
  left.take(flow, a, second);
  assert.equal(lookups(), 0);
  letBy(b, second);
  left.take(flow, a, second);
  assert.equal(lookups(), 1);
  left.take(flow, a, 5n * second);
  left.take(flow, a, 6n * second);
  assert.equal(lookups(), 1, "what is that old has come up or is lost");
  letBy(a, 7n * second);
  assert.equal(left.take(flow, a, 7n * second), "whole");
});
