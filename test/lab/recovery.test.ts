import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "../../src/lab/lab.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { needsLab, withLab } from "../support/lab.ts";
import type { SourceEvent } from "../support/punchcast.ts";
import { attend, runPython, runRelay, runSend } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const { skip } = await needsLab("python3");
const options = { skip, timeout: 100_000 };
const relayHost = "10.10.10.197";
const random = { ports: "random" } as const;

// Both wait most of the time: together they take as long as the longer one.
describe("recovery", { concurrency: true }, () => {
  test("a stream that pauses 60 s goes on where mappings last 20 s, without a new join", options, async (t) => {
    const nat = { mappingTimeoutMs: 20_000 };
    await inScene({ client: nat, moreViewers: [{ ...nat, ...random }] }, async (lab, folder) => {
      const relay = runRelay(lab.host("relay"), "--state", join(folder, "state.json"));
      const url = (await relay.until("listening")).streams[0]?.watchUrl ?? "";
      const audiences = await Promise.all(["C1", "C2"].map((name) => attend(lab.host(name), url)));
      const source = runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", relayHost, "9099", "50", "3", "60", "3");
      const { sent } = await source.until("done", { withinMs: 80_000 });
      for (const { name, watch, player } of audiences) {
        await watch.until("stats", { where: ({ components }) => components[0]?.packets === sent });
        await player.kill();
        const { packets, missing } = await player.until("done");
        assert.deepEqual({ packets, missing }, { packets: sent, missing: 0 }, name);
        const gaps = player
          .all("gap")
          .map(({ lengthMs }) => lengthMs)
          .filter((lengthMs) => lengthMs > 5000);
        assert.equal(gaps.length, 1, `${name} ${gaps}`);
        t.diagnostic(`${name}: all ${sent} packets, ${gaps[0]} ms of silence between`);
        assert.equal(watch.all("punched").length, 4, name);
        assert.deepEqual(watch.all("rebound"), [], name);
      }
      assert.equal(relay.all("hole-opened").length, 8);
      assert.deepEqual([...relay.all("hole-moved"), ...relay.all("hole-closed")], []);
    });
  });

  test("media is back soon after a NAT forgot its mappings, and after the relay was killed", options, async (t) => {
    await inScene({ streamer: random, moreViewers: [random, random] }, async (lab, folder) => {
      const config = join(folder, "relay.yaml");
      await writeFile(config, "streams: [{ name: plain }, { name: keyed, ingestPort: none }]\n");
      const startRelay = (): ReturnType<typeof runRelay> =>
        runRelay(lab.host("relay"), "--config", config, "--state", join(folder, "state.json"));
      let relay = startRelay();
      const [plain, keyed] = (await relay.until("listening")).streams;
      assert.ok(plain && keyed);
      const urls = { C1: plain.watchUrl, C2: plain.watchUrl, C3: keyed.watchUrl };
      const audiences = await Promise.all(Object.entries(urls).map(([name, url]) => attend(lab.host(name), url)));
      runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", relayHost, "9099", "50", "100");
      runSend(lab.host("S1"), sampleClipPath(), keyed.publishUrl, "--loop");
      const players = audiences.map(({ name, player }) => ({ name, player }));
      // Only the clip has sound.
      if (audiences[2]) players.push({ name: "C3's sound", player: audiences[2].soundPlayer });
      await Promise.all(players.map(({ player }) => player.until("first")));

      /** Disturbs, and waits until media is back: at the latest `boundMs` after the moment that `disturb` tells. */
      const backWithin = async (boundMs: number, what: string, names: string[], disturb: () => Promise<number>) => {
        const waiting = players.filter(({ name }) => names.some((start) => name.startsWith(start)));
        const marks = waiting.map(({ player }) => player.events.length);
        const fromMs = await disturb();
        for (const [i, { name, player }] of waiting.entries()) {
          const { lengthMs, endMs } = await player.until("gap", { since: marks[i] ?? 0, withinMs: 15_000 });
          const told = `${name}, ${what}: media ${endMs - fromMs} ms later, after ${lengthMs} ms of silence`;
          t.diagnostic(told);
          assert.ok(endMs - fromMs <= boundMs, told);
        }
      };
      const flush = async (...routers: string[]): Promise<number> => {
        const flushedAt = Date.now();
        await Promise.all(routers.map((name) => lab.router(name).flush()));
        return flushedAt;
      };
      const restartRelay = async (pauseMs: number): Promise<number> => {
        await relay.kill("SIGKILL");
        await delay(pauseMs);
        relay = startRelay();
        return (await relay.until("listening")).atMs;
      };

      await backWithin(2000, "its NAT flushed", ["C1", "C2", "C3"], () => flush("router-C1", "router-C2", "router-C3"));
      for (const { name, watch } of audiences) {
        const rebound = watch.all("rebound").find(({ component }) => component === 0);
        assert.equal(rebound === undefined, name === "C1", name);
        if (rebound === undefined) continue;
        const { previous, mapped } = rebound;
        await relay.until("hole-moved", { where: (hole) => hole.previous === previous && hole.mapped === mapped });
      }

      const mark = relay.events.length;
      await backWithin(2000, "the sender's NAT flushed", ["C1", "C2"], () => flush("router-S1"));
      const moved = await relay.until("publisher", {
        since: mark,
        withinMs: 2000,
        where: ({ stream, state, component }) => stream === "keyed" && state === "moved" && component === 0,
      });
      assert.equal(moved.by, "key");

      await backWithin(5000, "relay back after 3 s", ["C1", "C2", "C3"], () => restartRelay(3000));
      // C3's media never stopped for longer than the relay was away: its sender moved within 2 s.
      const silences = audiences[2]?.player.all("gap").map(({ lengthMs }) => lengthMs) ?? [];
      assert.ok(
        silences.slice(0, -1).every((lengthMs) => lengthMs <= 2000),
        `C3: ${silences}`,
      );
      await backWithin(5000, "relay back at once", ["C1", "C2", "C3"], () => restartRelay(0));
    });
  });
});

function inScene(
  scene: Parameters<typeof seedScene>[0],
  use: (lab: Lab, folder: string) => Promise<void>,
): Promise<void> {
  return withTempFolder((folder) => withLab(seedScene({ ...scene, ipv6: false }), (lab) => use(lab, folder)));
}
