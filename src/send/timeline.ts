import type { MediaSample, MediaTrack } from "./media.ts";

/** When one access unit leaves, and the timestamp it carries. Everything counts from the stream's start. */
export interface ScheduledSample {
  readonly sample: MediaSample;
  /** Milliseconds: when its first packet leaves. */
  readonly atMs: number;
  /** Milliseconds from there in which its packets leave. Never reaches the next sample's `atMs`. */
  readonly spreadMs: number;
  /** Ticks of the track's RTP clock, by composition time; not wrapped, without the random offset. */
  readonly ticks: number;
  /** How many times the file was played before: 0 in the first pass. */
  readonly pass: number;
}

/** What all tracks of a file have in common in time. */
export interface Pass {
  /** Seconds of presentation time at which the earliest track's first sample is decoded: the stream's zero. */
  readonly startSeconds: number;
  /** Seconds of one pass: as long as the longest track, so that tracks stay in step however often they are looped. */
  readonly lengthSeconds: number;
}

/**
 * A frame's packets leave within this time even where frames last longer. More would only make viewers wait for slide
 * shows; less would send the large key frames of 10 to 25 pictures per second in bursts.
 */
const longestSpreadMs = 100;

/** A file of one picture without duration must not be looped at full speed. More would stretch real, short clips. */
const shortestPassSeconds = 0.1;

/** Measures the tracks. */
export function measurePass(tracks: readonly MediaTrack[]): Pass {
  const spans = tracks.map(({ samples, timescale, shiftSeconds }) => {
    const first = samples[0]?.dts ?? 0;
    const last = samples.at(-1);
    const end = last === undefined ? first : last.dts + last.duration;
    return { start: first / timescale + shiftSeconds, length: (end - first) / timescale };
  });
  return {
    startSeconds: Math.min(...spans.map(({ start }) => start)),
    lengthSeconds: Math.max(shortestPassSeconds, ...spans.map(({ length }) => length)),
  };
}

/**
 * One track's samples in sending order, `passes` times (`Infinity` to loop). Timestamps and times go on from pass to pass.
 */
export function* scheduleTrack(track: MediaTrack, pass: Pass, passes: number): Generator<ScheduledSample, void> {
  const { timescale, samples, format } = track;
  for (let n = 0; n < passes; n++) {
    const shift = track.shiftSeconds - pass.startSeconds + n * pass.lengthSeconds;
    // Rounded apart from the samples' times: where RTP clock and timescale are the same, steps then are exact.
    const shiftTicks = Math.round(shift * format.clockRate);
    for (const sample of samples) {
      yield {
        sample,
        atMs: (sample.dts / timescale + shift) * 1000,
        spreadMs: Math.min(longestSpreadMs, (sample.duration / timescale) * 1000),
        ticks: Math.round((sample.cts * format.clockRate) / timescale) + shiftTicks,
        pass: n,
      };
    }
  }
}
