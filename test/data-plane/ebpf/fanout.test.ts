import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "../../../src/core/address.ts";
import { closeBenches, publisher, relay, viewer, withBench } from "../../support/ebpf-bench.ts";
import type { FrameOptions } from "../../support/frames.ts";
import { needsLab } from "../../support/lab.ts";

const options = { ...(await needsLab("root", "python3")), timeout: 30_000 };
after(closeBenches);

const payload = Uint8Array.from({ length: 101 }, (_, i) => (i * 37) & 0xff);
const hex = Buffer.from(payload).toString("hex");
const ingest = (family: 4 | 6): Endpoint => ({ address: relay[family], port: 9099 });
/** TC_ACT_UNSPEC, TC_ACT_SHOT and TC_ACT_REDIRECT. */
const [goesUp, isDropped, isRedirected] = [-1, 2, 7];

for (const family of [4, 6] as const) {
  test(
    `IPv${family}: a packet is cloned with a right checksum, and the original goes up as it came`,
    options,
    async () => {
      await withBench(async ({ program, run, received }) => {
        for (const length of [0, 1, 11, 12, 101]) {
          const part = payload.subarray(0, length);
          const outcome = await run(publisher[family], ingest(family), { payload: part });
          assert.deepEqual([outcome.verdict, outcome.isUnchanged], [goesUp, true]);
          assert.deepEqual(await received(family), [[Buffer.from(part).toString("hex"), relay[family], 9000]]);
        }
        // Where the original itself goes on, which a test run does not carry out: this one is no whole super-packet.
        await program.call("setOriginals", `live/${family}`, "nowhere");
        const { holes } = await run(publisher[family], ingest(family), { payload }, 40);
        const counters = new Map(holes).get(`hole-${family}`);
        assert.equal(counters?.packets, 5 + 3, "a super-packet counts for its segments");
        assert.equal(counters?.bytes, 0 + 1 + 11 + 12 + 101 + 101);
      });
    },
  );

  test(`IPv${family}: what is not plain goes up untouched and is written down for user space`, options, async () => {
    await withBench(async ({ run, received }) => {
      const odd: FrameOptions[] = [{ payload, isFragment: true }];
      if (family === 4) odd.push({ payload, hasOptions: true });
      for (const frame of odd) {
        const outcome = await run(publisher[family], ingest(family), frame);
        assert.deepEqual([outcome.verdict, outcome.isUnchanged, outcome.isWrittenDown], [goesUp, true, true]);
      }
      assert.deepEqual(await received(family), []);
    });
  });

  test(`IPv${family}: tagged, truncated and foreign frames go up untouched and unnoticed`, options, async () => {
    await withBench(async ({ run, received }) => {
      const others: [Endpoint, Endpoint, FrameOptions][] = [
        [publisher[family], ingest(family), { payload, isTagged: true }],
        [publisher[family], ingest(family), { payload, cut: 1 }],
        [publisher[family], ingest(family), { payload, cut: payload.length + 4 }],
        [publisher[family], { ...ingest(family), port: 9098 }, { payload }],
        [{ ...publisher[family], port: 9098 }, ingest(family), { payload }],
      ];
      for (const [from, to, frame] of others) {
        const outcome = await run(from, to, frame);
        assert.deepEqual([outcome.verdict, outcome.isUnchanged, outcome.isWrittenDown], [goesUp, true, false]);
      }
      assert.deepEqual(await received(family), []);
    });
  });

  test(
    `IPv${family}: a wrong checksum stays wrong, so that no viewer takes the packet for right`,
    options,
    async () => {
      await withBench(async ({ run, received }) => {
        const outcome = await run(publisher[family], ingest(family), { payload, checksum: "wrong" });
        assert.deepEqual([outcome.verdict, outcome.isUnchanged], [goesUp, true]);
        assert.deepEqual(await received(family), []);
      });
    },
  );
}

for (const family of [4, 6] as const) {
  test(
    `IPv${family}: a way that was found is believed for a moment, and each packet measured against it`,
    options,
    async () => {
      await withBench(async ({ host, run, received }) => {
        const small = { payload };
        await run(publisher[family], ingest(family), small);
        const large = await run(publisher[family], ingest(family), { payload: new Uint8Array(2_980) });
        assert.deepEqual([large.verdict, large.isWrittenDown], [goesUp, true], "too big for 3,000 bytes");
        assert.equal((await received(family)).length, 1);
        const neighbour = (...what: string[]): Promise<unknown> =>
          host.run("ip", ["neigh", "replace", viewer[family], "dev", "eth0", ...what]);
        const { stdout } = await host.run("ip", ["neigh", "show", viewer[family]]);
        const right = /lladdr (\S+)/.exec(stdout)?.[1] ?? "";
        await run(publisher[family], ingest(family), small);
        await neighbour("lladdr", "02:00:00:00:00:99");
        await delay(150);
        await run(publisher[family], ingest(family), small);
        await neighbour("lladdr", right);
        assert.equal((await received(family)).length, 1, "it follows a change within 100 ms");
        await delay(150);
        await run(publisher[family], ingest(family), small);
        assert.equal((await received(family)).length, 1);
      });
    },
  );
}

test("IPv4 without a checksum stays without; IPv6 without one, which may not be, is left alone", options, async () => {
  await withBench(async ({ run, received }) => {
    const outcome = await run(publisher[4], ingest(4), { payload, checksum: "none" });
    assert.deepEqual([outcome.verdict, outcome.isUnchanged], [goesUp, true]);
    assert.deepEqual(await received(4), [[hex, relay[4], 9000]]);
    await run(publisher[6], ingest(6), { payload, checksum: "none" });
    assert.deepEqual(await received(6), []);
  });
});

test("a publisher's STUN goes up only, and its media is cloned, on the punch port", options, async () => {
  await withBench(async ({ program, run, received }) => {
    const punch = { address: relay[4], port: 9000 };
    await program.call("setFlow", "live/4", { local: punch, publisher: publisher[4] }, "fan-out-beside-stun");
    const stun = Buffer.alloc(40);
    stun.writeUInt32BE(0x0001_0014, 0);
    stun.writeUInt32BE(0x2112_a442, 4);
    assert.equal((await run(publisher[4], punch, { payload: stun })).verdict, goesUp);
    assert.deepEqual(await received(4), []);
    await run(publisher[4], punch, { payload });
    assert.deepEqual(await received(4), [[hex, relay[4], 9000]]);
  });
});

test("unknown sources over the rate are dropped; viewers, publishers and other prefixes are not", options, async () => {
  await withBench(async ({ program, run }) => {
    await program.call("listen", relay[4], 9000, 1);
    await program.call("listen", relay[4], 9099, 2);
    for (const port of [9000, 9099]) {
      const to = { address: relay[4], port };
      const flood = async (address: string, count: number): Promise<number> => {
        let dropped = 0;
        for (let i = 0; i < count; i += 1) {
          const { verdict } = await run({ address, port: 1000 + i }, to, { payload });
          if (verdict === isDropped) dropped += 1;
        }
        return dropped;
      };
      const dropped = await flood("198.51.100.7", 60);
      assert.ok(dropped >= 35 && dropped <= 50, `${dropped} of 60 at a rate of 10 and a burst of 11`);
      assert.equal(await flood("198.51.101.7", 10), 0, "another /24 has a bucket of its own");
      assert.equal(await flood("198.51.100.200", 1), 1, "the same /24 has not");
    }
    await program.call("knowViewer", { local: ingest(4), remote: { address: "198.51.100.7", port: 5 } });
    const known = await run({ address: "198.51.100.7", port: 5 }, { address: relay[4], port: 9000 }, { payload });
    assert.equal(known.verdict, goesUp);
    assert.equal((await run(publisher[4], ingest(4), { payload })).verdict, goesUp);
  }, 10);
});

test("where nobody wants the original, it goes to the last hole itself and is counted as unseen", options, async () => {
  await withBench(async ({ program, run, received }) => {
    await program.call("setOriginals", "live/4", "nowhere");
    const outcome = await run(publisher[4], ingest(4), { payload });
    assert.equal(outcome.verdict, isRedirected);
    const elsewhere = { address: "10.10.10.250", port: 9 };
    await program.call("setHole", "unreachable", "live/4", { local: ingest(4), remote: elsewhere });
    const partly = await run(publisher[4], ingest(4), { payload });
    assert.deepEqual([partly.verdict, partly.isUnchanged, partly.isWrittenDown], [goesUp, true, true]);
    assert.deepEqual(await received(4), [[hex, relay[4], 9000]], "a test run does not carry redirects out");
    assert.deepEqual(await program.call("unseen"), [["live/4", { packets: 1, bytes: payload.length }]]);
    assert.deepEqual(await program.call("tapped"), [], "nor does anybody want a copy");
  });
});

type Shown = readonly [component: string, hex: string, agoMs: number];

for (const family of [4, 6] as const) {
  test(
    `IPv${family}: what ends in the kernel is shown in the ring: component, bytes, time, in order`,
    options,
    async () => {
      await withBench(async ({ program, run }) => {
        await program.call("setOriginals", `live/${family}`, "ring");
        // Around the sizes that places in the ring have.
        const lengths = [0, 1, 240, 241, 1472, 1520, 1521, 2032];
        const sent = lengths.map((length) => Uint8Array.from({ length }, (_, i) => (length + i * 7) & 0xff));
        for (const bytes of sent) {
          const { verdict } = await run(publisher[family], ingest(family), { payload: bytes });
          assert.equal(verdict, isRedirected);
        }
        const tooLong = await run(publisher[family], ingest(family), { payload: new Uint8Array(2033) });
        assert.deepEqual([tooLong.verdict, tooLong.isUnchanged], [goesUp, true], "what fits in no place goes up");
        await run(publisher[family], ingest(family), { payload }, 40);
        const segments = [payload.subarray(0, 40), payload.subarray(40, 80), payload.subarray(80)];
        const shown = await program.call<Shown[]>("tapped");
        const expected = [...sent, ...segments].map((bytes) => [`live/${family}`, Buffer.from(bytes).toString("hex")]);
        assert.deepEqual(
          shown.map(([component, bytes]) => [component, bytes]),
          expected,
        );
        const ages = shown.map(([, , agoMs]) => agoMs);
        assert.deepEqual(
          ages,
          ages.toSorted((a, b) => b - a),
        );
        assert.ok(
          ages.every((age) => age > 0 && age < 5_000),
          ages.join(),
        );
        const unseen = new Map(await program.call<[string, unknown][]>("unseen")).get(`live/${family}`);
        const bytes = [...lengths, payload.length].reduce((sum, length) => sum + length, 0);
        assert.deepEqual(unseen, { packets: lengths.length + segments.length, bytes });
      });
    },
  );
}

test(
  "a full ring costs no viewer anything: what it has no room for is counted, and then it goes on",
  options,
  async () => {
    await withBench(async ({ program, run }) => {
      await program.call("setOriginals", "live/4", "ring");
      const frame = { payload: new Uint8Array(1_400) };
      const room = Math.floor((4 << 20) / (1_536 + 8));
      await run(publisher[4], ingest(4), frame, 0, room);
      assert.equal(await program.call("untapped"), 0);
      const { verdict, holes } = await run(publisher[4], ingest(4), frame, 0, 7);
      assert.equal(verdict, isRedirected);
      assert.equal(new Map(holes).get("hole-4")?.packets, room + 7);
      assert.ok((await program.call<number>("untapped")) >= 6);
      const [unseen] = await program.call<[string, { packets: number }][]>("unseen");
      assert.equal(unseen?.[1].packets, room + 7);
      const lost = await program.call<number>("untapped");
      assert.equal((await program.call<Shown[]>("tapped")).length, room + 7 - lost);
      await run(publisher[4], ingest(4), { payload });
      assert.deepEqual(
        (await program.call<Shown[]>("tapped")).map(([, bytes]) => bytes),
        [hex],
      );
    });
  },
);
