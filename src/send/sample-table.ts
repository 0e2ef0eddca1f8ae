import type { Trak } from "./codec.ts";
import type { MediaSample } from "./media.ts";

/**
 * The samples that a track's tables in `moov` list (`stbl`, ISO/IEC 14496-12 §8.5-8.7), as far as the tables agree. The
 * library's own list takes ten times the memory, which counts in files of many hours, and guesses the last duration.
 */
export function listSamples(trak: Trak): MediaSample[] {
  const { stsz, stz2, stsc, stco, co64, stts, ctts } = trak.mdia.minf.stbl;
  const sizes: readonly number[] = (stsz ?? stz2)?.sample_sizes ?? [];
  const chunkOffsets: readonly number[] = (stco ?? co64)?.chunk_offsets ?? [];
  const durations = runs(stts?.sample_counts ?? [], stts?.sample_deltas ?? []);
  const compositionOffsets = runs(ctts?.sample_counts ?? [], ctts?.sample_offsets ?? []);
  const samples: MediaSample[] = [];
  let dts = 0;
  let run = -1;
  for (const [chunk, chunkOffset] of chunkOffsets.entries()) {
    // Chunks are numbered from 1; an entry holds until the next one's first chunk.
    if (stsc.first_chunk[run + 1] === chunk + 1) run++;
    let offset = chunkOffset;
    for (let k = stsc.samples_per_chunk[run] ?? 0; k > 0; k--) {
      const size = sizes[samples.length];
      if (size === undefined) return samples;
      const duration = durations();
      samples.push({ offset, size, dts, cts: dts + compositionOffsets(), duration });
      offset += size;
      dts += duration;
    }
  }
  return samples;
}

/** Reads a run-length table value by value; 0 after its end. */
function runs(counts: readonly number[], values: readonly number[]): () => number {
  let run = 0;
  let used = 0;
  return () => {
    while (run < counts.length && used >= (counts[run] ?? 0)) {
      run++;
      used = 0;
    }
    used++;
    return values[run] ?? 0;
  };
}
