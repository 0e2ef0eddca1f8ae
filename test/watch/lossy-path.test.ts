import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import type { EngineName } from "../../src/data-plane/data-plane.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { send } from "../../src/send/send.ts";
import type { SendEvent } from "../../src/send/send-events.ts";
import type { StreamStats } from "../../src/server/server-events.ts";
import { loadLibc } from "../../src/udp/native/libc.ts";
import { type Watch, type WatchOptions, watch } from "../../src/watch/watch.ts";
import type { ComponentStats } from "../../src/watch/watch-events.ts";
import { numberOf, packet } from "../media/support.ts";
import { freePorts, join, openPeer, startRelay, withCleanup } from "../server/support.ts";
import { openLossyPath, type PathCounts } from "../support/lossy-path.ts";
import { publishKey, viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";

const canBatch = (await loadLibc()) !== undefined;
const engines = [
  { engine: "dgram", skip: false },
  { engine: "batched", skip: !canBatch && "koffi and Linux on x86-64 or arm64 are needed" },
] as const;

/** Packets a millisecond, of 400 bytes. */
const pace = 3;
/** Packets that come before any is lost, as to a viewer of a stream that runs already; and after, so that none is last. */
const leadIn = 1_000 * pace;
const leadOut = 50 * pace;

interface Outcome {
  /** Packets sent. */
  readonly total: number;
  /** Numbers in the order in which the player got them. */
  readonly got: readonly number[];
  readonly path: PathCounts;
  readonly agent: ComponentStats;
  readonly relay: StreamStats;
}

interface Run {
  readonly engine: EngineName;
  /** 0-1, of what crosses between relay and agent, and of how many packets. */
  readonly loss: number;
  readonly lossy: number;
  readonly options?: Partial<WatchOptions>;
}

/** Sends a stream through relay, lossy path and agent. */
async function play({ engine, loss, lossy, options = {} }: Run): Promise<Outcome> {
  const total = leadIn + lossy + leadOut;
  let outcome: Outcome | undefined;
  await withCleanup(async (use) => {
    const relay = use(await startRelay({ engine }));
    const path = use(await openLossyPath(relay.punchPort, 11));
    const target = parsePunchUrl(`punch://127.0.0.1:${path.port}/live?key=${viewKey}`);
    let agent: ComponentStats | undefined;
    const watching: Watch = use(
      await watch({
        ...{ target, components: [0] },
        onEvent(event) {
          if (event.event === "stats") agent = event.components[0];
        },
        ...options,
      }),
    );
    const player = use(await openPeer("127.0.0.1", watching.port));
    const sender = use(await openPeer("127.0.0.1", await freePorts(1)));
    const to = { address: "127.0.0.1", port: relay.ingestPort };
    const startedAt = performance.now();
    for (let number = 1; number <= total; ) {
      const due = (performance.now() - startedAt) * pace;
      for (; number <= Math.min(due, total); number += 1) {
        sender.send(packet(number, { timestamp: number * 30, length: 400 }), to);
      }
      path.setLoss(number > leadIn && number <= leadIn + lossy ? loss : 0);
      await wait(2);
    }
    await until("the last packet", () => player.got.some(({ bytes }) => numberOf(bytes) === total));
    await wait(100);
    await watching.close();
    assert.ok(agent);
    const [stream] = relay.stats().streams;
    outcome = {
      ...{ total, agent, relay: stream ?? assert.fail() },
      got: player.got.map(({ bytes }) => numberOf(bytes)),
      path: path.fromRelay,
    };
  });
  return outcome ?? assert.fail();
}

/**
 * Plays until at most `most` packets never came, three times at most: a machine that stands still for 40 ms is late whatever
 * is sent again; test/media/repair.test.ts knows no such moments.
 */
async function playWell(run: Run, most: number, tell: (figures: string) => void): Promise<Outcome> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await play(run);
    tell(figures(outcome));
    if (attempt === 3 || residualOf(outcome) * outcome.total <= most) return outcome;
  }
}

const residualOf = ({ got, total }: Outcome): number => 1 - new Set(got).size / total;
const overheadOf = ({ path }: Outcome): number => path.repairs / path.media;
const percent = (share: number): string => `${(share * 100).toFixed(4)} %`;

function figures(outcome: Outcome): string {
  const { path, agent, relay } = outcome;
  return [
    `${path.lost} of ${path.media + path.repairs} packets lost; residual ${percent(residualOf(outcome))}`,
    `overhead ${percent(overheadOf(outcome))}, ${agent.lost} never came, ${agent.late} late`,
    `relay resent ${relay.repair.resent}, refused ${relay.repair.refused}`,
  ].join(", ");
}

for (const { engine, skip } of engines) {
  test(`${engine}: 5 % of loss is repaired, in order within 40 ms, for less than 8 %`, { skip }, async (t) => {
    const run = { engine, loss: 0.05, lossy: 12_000, options: { latencyMs: 40 } };
    const outcome = await playWell(run, 2.5, (told) => t.diagnostic(told));
    assert.ok(outcome.path.lost > 500, "there was something to repair");
    assert.ok(residualOf(outcome) * outcome.total <= 2.5);
    assert.ok(outcome.agent.late < 20, "in order");
    assert.ok(overheadOf(outcome) < 0.08);
    const refused = 0;
    assert.deepEqual(outcome.relay.repair, { resent: outcome.path.repairs, refused }, "it has what it is asked for");
  });

  test(`${engine}: 20 % of loss: under half a percent remains, for a quarter at most`, { skip }, async (t) => {
    const run = { engine, loss: 0.2, lossy: 12_000, options: { latencyMs: 40 } };
    const outcome = await playWell(run, 0.004 * run.lossy, (told) => t.diagnostic(told));
    assert.ok(outcome.path.lost > 2_000);
    assert.ok(residualOf(outcome) < 0.005);
    assert.ok(overheadOf(outcome) <= 0.25);
  });

  test(`${engine}: the relay asks \`send\` again for what is lost on the publisher's leg`, { skip }, (t) =>
    withCleanup(async (use) => {
      const relay = use(await startRelay({ engine }));
      const path = use(await openLossyPath(relay.punchPort, 12));
      const viewers = [0, 2].map((component) => join(relay.punchAt(), { component }));
      const [video, audio] = await Promise.all(viewers.map(async (viewer) => use(await viewer)));
      const told: SendEvent[] = [];
      const target = `punch://127.0.0.1:${path.port}/live?key=${publishKey}`;
      const sending = use(await send({ file: sampleClipPath(), target, onEvent: (event) => void told.push(event) }));
      await wait(500);
      path.setLoss(0.1);
      await wait(5_000);
      path.setLoss(0);
      await wait(500);
      await sending.close();
      await wait(100);
      const sent = told.findLast(({ event }) => event === "stats");
      assert.ok(sent?.event === "stats" && video && audio);
      t.diagnostic(`${JSON.stringify(path.toRelay)}, ${JSON.stringify(relay.stats().streams[0]?.in)}`);
      assert.ok(path.toRelay.lost > 20);
      for (const [i, { media }] of [video, audio].entries()) {
        const numbers = new Set(media.map(numberOf));
        assert.equal(numbers.size, sent.tracks[i]?.packets);
      }
    }),
  );
}

test("without latency every packet goes on at once, repaired ones as they come, none twice", async () => {
  const outcome = await play({ engine: "dgram", loss: 0.05, lossy: 1_000 });
  assert.equal(residualOf(outcome), 0);
  assert.equal(outcome.got.length, outcome.total);
  assert.ok(outcome.agent.late > 20);
});

test("who does not ask gets what the path leaves", async () => {
  const outcome = await play({ engine: "dgram", loss: 0.05, lossy: 1_000, options: { repair: false } });
  assert.equal(outcome.path.repairs, 0);
  assert.ok(residualOf(outcome) > 0.005);
  assert.deepEqual({ ...outcome.agent, requested: 0, repaired: 0 }, outcome.agent);
});
