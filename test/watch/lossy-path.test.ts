import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { type Watch, type WatchOptions, watch } from "../../src/watch/watch.ts";
import type { ComponentStats } from "../../src/watch/watch-events.ts";
import { numberOf, packet } from "../media/support.ts";
import { freePorts, openPeer, startRelay, withCleanup } from "../server/support.ts";
import { type LossyRelay, openLossyRelay } from "../support/lossy-relay.ts";
import { viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";

/** Packets that come before any is lost, as to a viewer of a stream that runs already; and after, so that none is last. */
const leadIn = 1_000;
const leadOut = 50;

interface Outcome {
  /** Packets sent. */
  readonly total: number;
  /** Numbers in the order in which the player got them. */
  readonly got: readonly number[];
  readonly path: ReturnType<LossyRelay["counts"]>;
  readonly reports: LossyRelay["reports"];
  readonly stats: ComponentStats;
}

/** Sends a thousand packets a second through relay, lossy path and agent; `lossy` of them while `loss` are lost. */
async function play(loss: number, lossy: number, options: Partial<WatchOptions>): Promise<Outcome> {
  const total = leadIn + lossy + leadOut;
  let outcome: Outcome | undefined;
  await withCleanup(async (use) => {
    const relay = use(await startRelay());
    const path = use(await openLossyRelay(relay.punchPort, 11));
    const target = parsePunchUrl(`punch://127.0.0.1:${path.port}/live?key=${viewKey}`);
    let last: ComponentStats | undefined;
    const watching: Watch = use(
      await watch({
        ...{ target, components: [0] },
        onEvent(event) {
          if (event.event === "stats") last = event.components[0];
        },
        ...options,
      }),
    );
    const player = use(await openPeer("127.0.0.1", watching.port));
    const sender = use(await openPeer("127.0.0.1", await freePorts(1)));
    const startedAt = performance.now();
    for (let number = 1; number <= total; ) {
      for (const due = performance.now() - startedAt; number <= Math.min(due, total); number += 1) {
        sender.send(packet(number, { timestamp: number * 90, length: 400 }), {
          address: "127.0.0.1",
          port: relay.ingestPort,
        });
      }
      path.setLoss(number > leadIn && number <= leadIn + lossy ? loss : 0);
      await wait(2);
    }
    await until("the last packet", () => player.got.some(({ bytes }) => numberOf(bytes) === total));
    await wait(100);
    await watching.close();
    assert.ok(last);
    outcome = {
      total,
      got: player.got.map(({ bytes }) => numberOf(bytes)),
      path: path.counts(),
      reports: path.reports,
      stats: last,
    };
  });
  return outcome ?? assert.fail();
}

const residualOf = ({ got, total }: Outcome): number => 1 - new Set(got).size / total;

test("5 % of loss is repaired, in order within 40 ms, for less than 8 %; and the relay hears of it", async (t) => {
  const outcome = await play(0.05, 4_000, { latencyMs: 40 });
  const { path, stats, reports } = outcome;
  t.diagnostic(JSON.stringify({ residual: residualOf(outcome), path, stats }));
  assert.ok(path.lost > 150, "there was something to repair");
  // Two packets' grace for a machine that stands still for 40 ms; test/media/repair.test.ts knows no such moments.
  assert.ok(stats.lost <= 2 && residualOf(outcome) * outcome.total <= 2.5);
  assert.ok(stats.late < 20, "in order");
  assert.ok(path.repairs < 0.08 * path.media);
  assert.ok(reports.some(({ type }) => type === "receiver-report"));
});

test("20 % of loss: under half a percent remains, for a quarter at most", async (t) => {
  const outcome = await play(0.2, 4_000, { latencyMs: 40 });
  const { path, stats } = outcome;
  t.diagnostic(JSON.stringify({ residual: residualOf(outcome), path, stats }));
  assert.ok(path.lost > 700);
  assert.ok(residualOf(outcome) < 0.005);
  assert.ok(path.repairs <= 0.25 * path.media);
});

test("without latency every packet goes on at once, repaired ones as they come, none twice", async () => {
  const outcome = await play(0.05, 1_000, {});
  assert.equal(residualOf(outcome), 0);
  assert.equal(outcome.got.length, outcome.total);
  assert.ok(outcome.stats.late > 20);
});

test("who does not ask gets what the path leaves", async () => {
  const outcome = await play(0.05, 1_000, { repair: false });
  assert.equal(outcome.path.repairs, 0);
  assert.ok(residualOf(outcome) > 0.01);
  assert.deepEqual({ ...outcome.stats, requested: 0, repaired: 0 }, outcome.stats);
});
