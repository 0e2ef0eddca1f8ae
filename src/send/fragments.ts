import type { ISOFile } from "mp4box";
import type { MediaSample } from "./media.ts";

type Moof = ISOFile["moofs"][number];
type TrackFragment = Moof["trafs"][number];

/** What a track's samples are unless their fragment says otherwise (`trex`, ISO/IEC 14496-12 §8.8.3). */
export interface FragmentDefaults {
  readonly default_sample_duration: number;
  readonly default_sample_size: number;
}

/** Flags of `tfhd` and `trun` (§8.8.7.1, §8.8.8.1). */
const flags = {
  baseDataOffset: 0x01,
  defaultDuration: 0x08,
  defaultSize: 0x10,
  defaultBaseIsMoof: 0x02_0000,
  dataOffset: 0x01,
  duration: 0x100,
  size: 0x200,
  compositionOffset: 0x800,
} as const;

/**
 * Appends the samples of one movie fragment to the lists by track id; other tracks' are passed over. `moofStart` is the
 * fragment's place in the file. The library's own lists are not used: they take no notice of a run's own data offset after
 * the first, nor of a decode time that does not continue the fragment before.
 */
export function appendFragment(
  moof: Moof,
  moofStart: number,
  lists: ReadonlyMap<number, MediaSample[]>,
  defaults: ReadonlyMap<number, FragmentDefaults>,
): void {
  let endOfPrevious = moofStart;
  for (const [i, traf] of moof.trafs.entries()) {
    const header = traf.tfhd;
    // §8.8.7.1: without either flag the first fragment counts from the moof, the others from the end of the one before.
    const fromMoof = i === 0 || (header.flags & flags.defaultBaseIsMoof) !== 0;
    const base = header.flags & flags.baseDataOffset ? header.base_data_offset : fromMoof ? moofStart : endOfPrevious;
    const list = lists.get(header.track_id) ?? [];
    endOfPrevious = appendTrackFragment(traf, base, list, defaults.get(header.track_id));
  }
}

function appendTrackFragment(
  traf: TrackFragment,
  base: number,
  list: MediaSample[],
  trex: FragmentDefaults | undefined,
): number {
  const header = traf.tfhd;
  const duration =
    header.flags & flags.defaultDuration ? header.default_sample_duration : trex?.default_sample_duration;
  const size = header.flags & flags.defaultSize ? header.default_sample_size : trex?.default_sample_size;
  const last = list.at(-1);
  let dts =
    (traf.tfdt as TrackFragment["tfdt"] | undefined)?.baseMediaDecodeTime ?? (last ? last.dts + last.duration : 0);
  let offset = base;
  for (const run of traf.truns) {
    if (run.flags & flags.dataOffset) offset = base + run.data_offset;
    for (let i = 0; i < run.sample_count; i++) {
      const sample = {
        offset,
        size: (run.flags & flags.size ? run.sample_size[i] : size) ?? 0,
        dts,
        cts: dts + (run.flags & flags.compositionOffset ? (run.sample_composition_time_offset[i] ?? 0) : 0),
        duration: (run.flags & flags.duration ? run.sample_duration[i] : duration) ?? 0,
      };
      list.push(sample);
      offset += sample.size;
      dts += sample.duration;
    }
  }
  return offset;
}
