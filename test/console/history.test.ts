import assert from "node:assert/strict";
import { test } from "node:test";
import { addFigures, recent, samplesMax, startHistory } from "../../src/console/model/history.ts";
import { figures, reported } from "./support.ts";

test("a sample is what changed between two figures, by the relay's own clock", () => {
  const first = startHistory(figures({ packets: 100, lost: 3 }), 10_000);
  const out = { packets: 10, bytes: 50_000, drops: 4 };
  const stats = figures({ packets: 190, lost: 13, out, viewers: [reported(0.25)], oversized: 2 });
  const { samples } = addFigures(first, stats, 12_000, 5_000_000);
  assert.deepEqual(samples, [
    { atMs: 5_000_000, inBits: 360_000, outBits: 200_000, lossIn: 0.1, lossOut: 0.25, drops: 4, oversized: 2 },
  ]);
});

test("browsers count among those that are sent to, and may be the ones who fare worst", () => {
  const browsers = (packets: number): NonNullable<ReturnType<typeof figures>["browsers"]> => ({
    ...{ viewers: 1, publishers: 0, worstLossFraction: 0.5 },
    sent: { packets, bytes: packets * 1_000, drops: packets / 10 },
  });
  const first = startHistory(figures({ browsers: browsers(0) }), 0);
  const stats = figures({ browsers: browsers(100), viewers: [reported(0.25)] });
  const { samples } = addFigures(first, stats, 1_000, 0);
  assert.deepEqual([samples[0]?.outBits, samples[0]?.drops, samples[0]?.lossOut], [800_000, 10, 0.5]);
});

test("a packet that comes late takes its loss back, which is no loss below nothing", () => {
  const first = startHistory(figures({ packets: 100, lost: 5 }), 0);
  const { samples } = addFigures(first, figures({ packets: 120, lost: 2 }), 1_000, 0);
  assert.equal(samples[0]?.lossIn, 0);
});

test("where the relay sees no packets and no viewer reports, losses are not known", () => {
  const stats = figures({ in: [{ component: 0, packets: 9, bytes: 900 }] });
  const { samples } = addFigures(startHistory(figures({ in: [] }), 0), stats, 1_000, 0);
  assert.deepEqual([samples[0]?.lossIn, samples[0]?.lossOut], [undefined, undefined]);
  assert.deepEqual(recent({ samples }).lossIn, undefined);
});

test("a relay that was started anew makes no sample, and is followed from there", () => {
  const before = addFigures(startHistory(figures({ packets: 900 }), 90_000), figures({ packets: 990 }), 91_000, 0);
  const restarted = addFigures(before, figures({ packets: 5 }), 1_000, 0);
  assert.equal(restarted.samples.length, 1);
  const after = addFigures(restarted, figures({ packets: 15 }), 2_000, 0);
  assert.deepEqual(
    after.samples.map(({ inBits }) => inBits),
    [720_000, 80_000],
  );
  assert.equal(addFigures(after, figures({ packets: 15 }), 2_000, 0), after);
});

test("minutes are kept and no more; now is the last seconds of them", () => {
  let history = startHistory(figures(), 0);
  for (let i = 1; i <= samplesMax + 50; i += 1) {
    const stats = figures({ packets: i * 10, lost: i > samplesMax + 45 ? (i - samplesMax - 45) * 10 : 0 });
    history = addFigures(history, stats, i * 1_000, i * 1_000);
  }
  assert.equal(history.samples.length, samplesMax);
  assert.equal(history.samples.at(-1)?.atMs, (samplesMax + 50) * 1_000);
  const now = recent(history);
  assert.equal(now.inBits, 80_000);
  // Half of the packets in half of the last ten seconds.
  assert.equal(now.lossIn, 0.25);
  assert.ok(now.isMeasured);
  const { inBits, isMeasured } = recent({ samples: [] });
  assert.deepEqual({ inBits, isMeasured }, { inBits: 0, isMeasured: false });
});
