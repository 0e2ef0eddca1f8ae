import assert from "node:assert/strict";
import { test } from "node:test";
import { createRelayRenderer } from "../../src/cli/render-relay.ts";
import { defaultLimits } from "../../src/relay/limits.ts";
import { createRelayCore } from "../../src/relay/relay-core.ts";
import type { ServerEvent, StreamFare } from "../../src/server/server-events.ts";
import { createTally } from "../../src/server/tally.ts";
import { makeStream } from "../relay/support.ts";

const streams = [makeStream()];
const core = createRelayCore({ streams, limits: defaultLimits, authSecret: undefined, open: undefined });

const noFare = (): StreamFare => ({
  ingest: () => undefined,
  viewers: [],
  repair: { resent: 0, refused: 0 },
  oversized: 0,
});

test("what the kernel did not send is told by stream and reason, where the plane knows", () => {
  const tally = createTally(() => streams);
  const components = new Map([["live/0", { packets: 9, bytes: 900, drops: 2 }]]);
  const notSent = new Map([
    ["live/0", { "queue-full": 2, "no-neighbour": 1 }],
    ["live/2", { "queue-full": 3 }],
    ["other/0", { "queue-full": 100 }],
  ]);
  const report = tally.report(core, { components, notSent }, noFare);
  assert.deepEqual(report.streams[0]?.notSent, { "queue-full": 5, "no-neighbour": 1 });
  assert.equal("notSent" in (tally.report(core, { components }, noFare).streams[0] ?? {}), false);

  const lines: string[] = [];
  const output = { tell: () => {}, say: () => {}, end: () => {}, live: (text: string) => void lines.push(text) };
  const stats: ServerEvent = { event: "stats", uptimeMs: 1_000, sendErrors: 0, ...report };
  const render = createRelayRenderer(false);
  render(stats, output);
  render({ ...stats, ...tally.report(core, { components, notSent: new Map() }, noFare) }, output);
  assert.match(lines[0] ?? "", /, 2 dropped, not sent by the kernel: queue-full 5, no-neighbour 1$/);
  assert.match(lines[1] ?? "", /, 2 dropped$/);
});

test("what went by unseen counts once, as the totals grow", () => {
  const tally = createTally(() => streams);
  const unseen = new Map([["live/0", { packets: 5, bytes: 500 }]]);
  assert.deepEqual(tally.takeUnseen(unseen), [{ stream: "live", component: 0 }]);
  assert.deepEqual(tally.takeUnseen(unseen), []);
  tally.takeUnseen(new Map([["live/0", { packets: 7, bytes: 650 }]]));
  const [stream] = tally.report(core, { components: new Map() }, noFare).streams;
  assert.deepEqual(stream?.in[0], { component: 0, packets: 7, bytes: 650 });
});
