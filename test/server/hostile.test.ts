import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { watch } from "../../src/watch/watch.ts";
import { rtpPacket } from "../relay/support.ts";
import { until } from "../support/until.ts";
import type { BlasterData } from "./blaster.ts";
import { openPeer, startRelay, withCleanup } from "./support.ts";

/** On a slow machine the time ends it first: PUNCHCAST_HOSTILE_DATAGRAMS may ask for fewer. */
const total = Number(process.env.PUNCHCAST_HOSTILE_DATAGRAMS ?? 1_000_000);
const budgetMs = 60_000;
const streamIntervalMs = 5;

/**
 * Growth of the heap that is no leak: the rate limiter's buckets of 32 prefixes, compiled code, the reasons' counters. A leak of
 * one object of 40 bytes for each datagram would be 40 MB.
 */
const growthMax = 8 << 20;

const needsLinux = process.platform === "linux" ? false : "sources in 127.0.0.0/8 are Linux hosts' only";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i += 1) {
    collectGarbage();
    await wait(20);
  }
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
}

test(
  "a million hostile datagrams: no crash, no growth, and the stream that runs meanwhile loses nothing",
  { skip: needsLinux, timeout: 90_000 },
  () =>
    withCleanup(async (use) => {
      const counters = new Int32Array(new SharedArrayBuffer(12));
      // The relay asks for the time once a datagram: so its clock counts what it took, without a hook in its code.
      const clock: Clock = {
        ...systemClock,
        now() {
          Atomics.add(counters, 0, 1);
          return systemClock.now();
        },
      };
      const relay = use(await startRelay({ clock, statsIntervalMs: 1_000 }));
      const events = relay.events;
      const watching = use(
        await watch({
          target: parsePunchUrl(relay.streams[0]?.watchUrl ?? ""),
          onEvent: (event) => {
            if (event.event === "stats") last = event;
            else if (event.event === "rebound") surprises.push(event);
          },
        }),
      );
      let last: { readonly components: readonly { readonly packets: number; readonly lost: number }[] } | undefined;
      const surprises: unknown[] = [];
      const player = use(await openPeer("127.0.0.1", watching.port));
      const sender = use(await openPeer());
      let streamed = 0;
      const stream = setInterval(() => {
        streamed += 1;
        sender.send(rtpPacket(streamed), { address: "127.0.0.1", port: relay.ingestPort });
      }, streamIntervalMs);
      const holes = events.filter(({ event }) => event === "hole-opened").length;

      const startedAt = performance.now();
      const workerData: BlasterData = {
        punchPort: relay.punchPort,
        ingestPorts: relay.streams[0]?.ingestPorts ?? [],
        total,
        counters,
      };
      Atomics.store(counters, 0, 0);
      const worker = new Worker(new URL("blaster.ts", import.meta.url), { workerData });
      const ended = once(worker, "exit");
      const deadline = setTimeout(() => Atomics.store(counters, 2, 1), budgetMs);
      let before = 0;
      try {
        // Everything is compiled and every table filled once by then.
        const warm = total / 10;
        await until("the first tenth", () => (counters[1] ?? 0) >= warm, budgetMs);
        before = await heapBytes();
        await ended;
      } finally {
        clearTimeout(deadline);
        Atomics.store(counters, 2, 1);
        await ended;
        clearInterval(stream);
      }
      const sent = counters[1] ?? 0;
      const seconds = (performance.now() - startedAt) / 1000;
      await until("the last packet at the player", () => player.got.length === streamed, 5_000).catch(() => {});
      await until("the last stats", () => last?.components[0]?.packets === streamed, 3_000).catch(() => {});
      // What the test itself keeps is not the relay's.
      const received = player.got.length;
      player.got.length = 0;
      const growth = (await heapBytes()) - before;
      const figures = `${sent} datagrams in ${seconds.toFixed(0)} s, ${received} of ${streamed} packets, heap ${growth >> 10} KiB`;

      assert.equal(sent, total, `out of time: ${figures}`);
      assert.equal(received, streamed, figures);
      assert.deepEqual([last?.components[0]?.packets, last?.components[0]?.lost], [streamed, 0], figures);
      assert.deepEqual(surprises, [], "the holes stayed where they were");
      assert.equal(events.filter(({ event }) => event === "hole-opened").length, holes, "and none were opened");
      assert.ok(growth < growthMax, figures);
      const refused = Object.values(relay.stats().refused).reduce((sum, count) => sum + count, 0);
      assert.ok(refused > total * 0.9, `${refused} refused: ${figures}`);
      console.log(figures);
    }),
);
