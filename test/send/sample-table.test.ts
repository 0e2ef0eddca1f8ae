import assert from "node:assert/strict";
import { test } from "node:test";
import { listSamples } from "../../src/send/sample-table.ts";

type Trak = Parameters<typeof listSamples>[0];

/** A track with these tables. */
function list(stbl: object): number[][] {
  const trak = { mdia: { minf: { stbl } } } as unknown as Trak;
  return listSamples(trak).map(({ offset, size, dts, cts, duration }) => [offset, size, dts, cts, duration]);
}

const tables = {
  stsz: { sample_sizes: [10, 20, 30, 40, 50, 60] },
  // Chunks 1 and 2 have two samples each, chunk 3 and all after it one.
  stsc: { first_chunk: [1, 3], samples_per_chunk: [2, 1] },
  stco: { chunk_offsets: [1000, 2000, 500, 3000] },
  stts: { sample_counts: [2, 0, 4], sample_deltas: [100, 7, 50] },
  ctts: { sample_counts: [1, 5], sample_offsets: [200, -30] },
};

test("chunks, durations and composition offsets come together", () => {
  assert.deepEqual(list(tables), [
    [1000, 10, 0, 200, 100],
    [1010, 20, 100, 70, 100],
    [2000, 30, 200, 170, 50],
    [2030, 40, 250, 220, 50],
    [500, 50, 300, 270, 50],
    [3000, 60, 350, 320, 50],
  ]);
});

test("the wide and the compact tables are read too, and without ctts samples are shown as they are decoded", () => {
  const { stsz, stco, ctts, ...rest } = tables;
  const shown = list({ ...rest, stz2: stsz, co64: stco });
  assert.equal(shown.length, 6);
  assert.ok(shown.every(([, , dts, cts]) => dts === cts));
});

test("tables that disagree give what they agree on", () => {
  assert.equal(list({ ...tables, stsz: { sample_sizes: [1, 2, 3] } }).length, 3);
  assert.equal(list({ ...tables, stco: { chunk_offsets: [1000] } }).length, 2);
  assert.deepEqual(list({ stsc: tables.stsc }), []);
  assert.deepEqual(
    list({ ...tables, stts: { sample_counts: [1], sample_deltas: [5] } })
      .at(-1)
      ?.slice(2),
    [5, -25, 0],
  );
});
