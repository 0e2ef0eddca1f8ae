import assert from "node:assert/strict";
import { test } from "node:test";
import { appendFragment } from "../../src/send/fragments.ts";
import type { MediaSample } from "../../src/send/media.ts";

type Moof = Parameters<typeof appendFragment>[0];

const [hasBase, hasDuration, hasSize, baseIsMoof] = [0x01, 0x08, 0x10, 0x02_0000];
const [hasOffset, hasDurations, hasSizes, hasCts] = [0x01, 0x100, 0x200, 0x800];

/** As the library parses it: what the flags leave out is 0 or empty. */
function traf(flags: number, fields: object, decodeTime: number | undefined, ...truns: object[]): unknown {
  const lists = { sample_duration: [], sample_size: [], sample_composition_time_offset: [] };
  return {
    tfhd: { flags, track_id: 1, base_data_offset: 0, default_sample_duration: 0, default_sample_size: 0, ...fields },
    ...(decodeTime === undefined ? {} : { tfdt: { baseMediaDecodeTime: decodeTime } }),
    truns: truns.map((run) => ({ flags: 0, data_offset: 0, ...lists, ...run })),
  };
}

function samplesOf(...fragments: { start: number; trafs: unknown[] }[]): MediaSample[] {
  const list: MediaSample[] = [];
  const trex = { default_sample_duration: 10, default_sample_size: 7 };
  for (const { start, trafs } of fragments) {
    appendFragment({ trafs } as Moof, start, new Map([[1, list]]), new Map([[1, trex]]));
  }
  return list;
}

const row = ({ offset, size, dts, cts, duration }: MediaSample): number[] => [offset, size, dts, cts, duration];

test("each run has its own place, duration, size and composition offset", () => {
  const samples = samplesOf({
    start: 1000,
    trafs: [
      traf(
        baseIsMoof | hasDuration | hasSize,
        { default_sample_duration: 20, default_sample_size: 5 },
        300,
        { flags: hasOffset, data_offset: 80, sample_count: 2 },
        {
          flags: hasOffset | hasDurations | hasSizes | hasCts,
          data_offset: 500,
          sample_count: 2,
          sample_duration: [1, 2],
          sample_size: [3, 4],
          sample_composition_time_offset: [9, -1],
        },
        { sample_count: 1 },
      ),
    ],
  });
  assert.deepEqual(samples.map(row), [
    [1080, 5, 300, 300, 20],
    [1085, 5, 320, 320, 20],
    [1500, 3, 340, 349, 1],
    [1503, 4, 341, 340, 2],
    [1507, 5, 343, 343, 20],
  ]);
});

test("what a fragment does not say comes from the track, and time goes on from the fragment before", () => {
  const samples = samplesOf(
    { start: 100, trafs: [traf(baseIsMoof, {}, undefined, { sample_count: 2 })] },
    { start: 400, trafs: [traf(baseIsMoof, {}, undefined, { sample_count: 1 })] },
    {
      start: 700,
      trafs: [traf(hasBase, { base_data_offset: 9000 }, 555, { flags: hasOffset, data_offset: 1, sample_count: 1 })],
    },
  );
  assert.deepEqual(samples.map(row), [
    [100, 7, 0, 0, 10],
    [107, 7, 10, 10, 10],
    [400, 7, 20, 20, 10],
    [9001, 7, 555, 555, 10],
  ]);
});

test("without a base the second track fragment follows the first, whichever track that was", () => {
  const samples = samplesOf({
    start: 100,
    trafs: [
      traf(0, { track_id: 2 }, 0, { flags: hasOffset | hasSizes, data_offset: 50, sample_count: 1, sample_size: [40] }),
      traf(0, {}, 0, { sample_count: 1 }),
    ],
  });
  assert.deepEqual(samples.map(row), [[190, 7, 0, 0, 10]]);
});
