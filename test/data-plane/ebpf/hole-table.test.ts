import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openHoleTable } from "../../../src/data-plane/ebpf/hole-table.ts";
import { fanoutOffsets, fanoutSlots, holeOffsets, holeSlots } from "../../../src/data-plane/ebpf/layout.ts";
import type { HoleTarget } from "../../../src/relay/forwarding.ts";

const memory = (): [ArrayBuffer, ArrayBuffer] => [new ArrayBuffer(128 * holeSlots), new ArrayBuffer(128 * fanoutSlots)];

const target = (port: number, family: 4 | 6 = 4): HoleTarget =>
  family === 4
    ? { local: { address: "198.51.100.1", port: 9000 }, remote: { address: "203.0.113.1", port } }
    : { local: { address: "2001:db8::1", port: 9000 }, remote: { address: "2001:db8::2", port } };

/** The list as the kernel walks it: remote ports of holes that are not expired. */
function walk([holes, fanouts]: [ArrayBuffer, ArrayBuffer], fanout: number, family: 4 | 6 = 4): number[] {
  const view = new DataView(holes);
  const ports: number[] = [];
  const head = family === 4 ? fanoutOffsets.head4 : fanoutOffsets.head6;
  let slot = new DataView(fanouts).getUint32(fanout * 128 + head, true) & 0xff_ffff;
  for (let steps = 0; slot !== 0; steps += 1) {
    assert.ok(steps < holeSlots, "the list has an end");
    if (view.getBigUint64(slot * 128 + holeOffsets.expires, true) > 0n)
      ports.push(view.getUint16(slot * 128 + holeOffsets.remotePort));
    slot = view.getUint32(slot * 128 + holeOffsets.next, true);
  }
  return ports.sort((a, b) => a - b);
}

test("after any joins and leaves the kernel's walk finds exactly the holes that are open", () => {
  const step = fc.record({ joins: fc.boolean(), which: fc.nat(20), fanout: fc.constantFrom(1n, 2n) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const buffers = memory();
      const table = openHoleTable(...buffers);
      const open = new Map<string, { slot: number; port: number; fanout: number }>();
      for (const [now, { joins, which, fanout: id }] of steps.entries()) {
        const key = `${id}/${which}`;
        const fanout = table.fanout(id) ?? 0;
        const known = open.get(key);
        if (joins && known === undefined) {
          const slot = table.add(fanout, BigInt(which + 1), target(which + 1), 9n, now * 400) ?? 0;
          open.set(key, { slot, port: which + 1, fanout });
        } else if (!joins && known !== undefined) {
          table.remove(known.slot, now * 400);
          open.delete(key);
        }
        for (const each of [1n, 2n]) {
          const number = table.fanout(each) ?? 0;
          const wanted = [...open.values()].filter((hole) => hole.fanout === number).map(({ port }) => port);
          assert.deepEqual(
            walk(buffers, number),
            wanted.sort((a, b) => a - b),
          );
        }
      }
      const again = openHoleTable(...buffers);
      assert.deepEqual(
        again
          .linked()
          .map(({ slot }) => slot)
          .sort((a, b) => a - b),
        [...open.values()].map(({ slot }) => slot).sort((a, b) => a - b),
        "the next relay finds the same",
      );
    }),
    { numRuns: 15 },
  );
});

test("a slot rests for a second before it is used again, so that a walk under way finds its end", () => {
  const buffers = memory();
  const table = openHoleTable(...buffers);
  const fanout = table.fanout(5n) ?? 0;
  const slot = table.add(fanout, 1n, target(1), 9n, 0) ?? 0;
  const behind = new DataView(buffers[0]).getUint32(slot * 128 + holeOffsets.next, true);
  table.remove(slot, 100);
  assert.equal(new DataView(buffers[0]).getUint32(slot * 128 + holeOffsets.next, true), behind);
  assert.notEqual(table.add(fanout, 2n, target(2), 9n, 1_099), slot);
  assert.equal(table.add(fanout, 3n, target(3), 9n, 1_100) !== undefined, true);
});

test("each IP version has a list of its own, and a full table says so", () => {
  const buffers = memory();
  const table = openHoleTable(...buffers);
  const fanout = table.fanout(7n) ?? 0;
  table.add(fanout, 1n, target(1, 4), 9n, 0);
  table.add(fanout, 2n, target(2, 6), 9n, 0);
  assert.deepEqual([walk(buffers, fanout, 4), walk(buffers, fanout, 6)], [[1], [2]]);
  for (let i = 3; i < holeSlots; i += 1) assert.notEqual(table.add(fanout, BigInt(i), target(i), 9n, 0), undefined);
  assert.equal(table.add(fanout, 1n, target(1), 9n, 0), undefined);
});

test("lists that somebody else has damaged are cut off, not followed", () => {
  const buffers = memory();
  const table = openHoleTable(...buffers);
  const fanout = table.fanout(7n) ?? 0;
  const first = table.add(fanout, 1n, target(1), 9n, 0) ?? 0;
  const second = table.add(fanout, 2n, target(2), 9n, 0) ?? 0;
  new DataView(buffers[0]).setUint32(first * 128 + holeOffsets.next, second, true);
  assert.equal(openHoleTable(...buffers).linked().length, 2);
  assert.deepEqual(walk(buffers, fanout), [1, 2]);
});
