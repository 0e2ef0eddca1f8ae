import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Bench, closeBenches, publisher, relay, viewer, withBench } from "../../support/ebpf-bench.ts";
import { needsLab } from "../../support/lab.ts";

const options = { ...(await needsLab("root", "python3")), timeout: 30_000 };
after(closeBenches);

/** TC_ACT_UNSPEC and TC_ACT_SHOT. */
const [goesUp, endsHere] = [-1, 2];

/** A publisher's packets, newcomers whom the kernel can reach, and what user space sends of a packet that it gets to see. */
function play({ program, run }: Bench, family: 4 | 6) {
  const component = `live/${family}`;
  const local = { address: relay[family], port: 9099 };
  const flow = { local, publisher: publisher[family] };
  const bytes = (number: number): Buffer => Buffer.alloc(40 + number, number);
  return {
    component,
    bytes,
    publish: (number: number) => run(publisher[family], local, { payload: bytes(number) }),
    join: (port: number, address: string = viewer[family]) =>
      program.call("setHole", `hole-${port}`, component, { local, remote: { address, port } }),
    leave: (hole: string) => program.call("closeHole", hole),
    /** Packets by number, each with the ports that it was late for. */
    late: async (): Promise<(readonly [number, readonly number[]])[]> =>
      (await program.call<[string, number[]][]>("late")).map(([hex, to]) => [
        Number.parseInt(hex.slice(0, 2), 16),
        to.toSorted(),
      ]),
    deliver: async (part: Uint8Array) => {
      const to = await program.call<"whole" | number[]>("deliver", component, flow, Buffer.from(part).toString("hex"));
      return to === "whole" ? to : to.toSorted();
    },
  };
}

for (const family of [4, 6] as const) {
  test(`IPv${family}: what the ring shows late is sent to those who came meanwhile, and to nobody else`, options, () =>
    withBench(async (bench) => {
      const { component, publish, join, leave, late } = play(bench, family);
      await bench.program.call("setOriginals", component, "ring");
      await publish(1);
      await join(7001);
      await publish(2);
      await join(7002);
      await publish(3);
      assert.deepEqual(await late(), [
        [1, [7001, 7002]],
        [2, [7002]],
        [3, []],
      ]);
      await publish(4);
      await leave("hole-7002");
      await publish(5);
      await join(7003);
      assert.deepEqual(
        await late(),
        [
          [4, [7003]],
          [5, [7003]],
        ],
        "a place that is free again is another hole's",
      );
      const sent = new Map((await publish(6)).holes);
      assert.deepEqual(
        ["hole-7001", "hole-7003"].map((hole) => sent.get(hole)?.packets),
        [6, 3],
        "each got every packet once, from either side",
      );
    }),
  );

  test(`IPv${family}: with nobody to send to it is shown all the same, and the first who comes gets it`, options, () =>
    withBench(async (bench) => {
      const { component, publish, join, leave, late } = play(bench, family);
      await bench.program.call("setOriginals", component, "ring");
      await leave(`hole-${family}`);
      assert.equal((await publish(1)).verdict, endsHere);
      await join(7001);
      await publish(2);
      assert.deepEqual(await late(), [
        [1, [7001]],
        [2, []],
      ]);
    }),
  );

  test(`IPv${family}: an original that waited in its socket is sent to those who came meanwhile, once`, options, () =>
    withBench(async (bench) => {
      const { bytes, publish, join, deliver } = play(bench, family);
      assert.equal((await publish(1)).isWrittenDown, true, "the bench's own hole is new");
      assert.deepEqual(await deliver(bytes(1)), []);
      const { verdict, isWrittenDown } = await publish(2);
      assert.deepEqual([verdict, isWrittenDown], [goesUp, false], "nothing is written down while nobody comes");
      await join(7001);
      await publish(3);
      await join(7002);
      await publish(4);
      assert.deepEqual(await deliver(bytes(2)), [7001, 7002]);
      assert.deepEqual(await deliver(bytes(3)), [7002]);
      assert.equal((await publish(5)).isWrittenDown, true, "none with the newest hole's mark has come up");
      assert.deepEqual(await deliver(bytes(4)), []);
      assert.equal((await publish(6)).isWrittenDown, false);
      assert.deepEqual([await deliver(bytes(5)), await deliver(bytes(6))], [[], []]);
    }),
  );

  test(`IPv${family}: the mark holds over changes of where originals go, and beside holes out of reach`, options, () =>
    withBench(async (bench) => {
      const { component, bytes, publish, join, deliver, late } = play(bench, family);
      await publish(1);
      await deliver(bytes(1));
      await publish(2);
      await bench.program.call("setOriginals", component, "ring");
      await join(7001);
      await publish(3);
      await bench.program.call("setOriginals", component, "up");
      await publish(4);
      assert.deepEqual(await late(), [[3, []]]);
      assert.deepEqual([await deliver(bytes(2)), await deliver(bytes(4))], [[7001], []]);
      await join(7002, family === 4 ? "10.10.10.250" : "fd00:10::250");
      await publish(5);
      await join(7003);
      assert.deepEqual(await deliver(bytes(5)), [7002, 7003]);
    }),
  );

  test(`IPv${family}: each segment of a super-packet that goes up has a mark of its own`, options, () =>
    withBench(async (bench) => {
      const { deliver, join } = play(bench, family);
      await join(7001);
      const payload = Uint8Array.from({ length: 101 }, (_, i) => i);
      await bench.run(publisher[family], { address: relay[family], port: 9099 }, { payload }, 40);
      await join(7002);
      for (const from of [0, 40, 80]) assert.deepEqual(await deliver(payload.subarray(from, from + 40)), [7002]);
    }),
  );
}
