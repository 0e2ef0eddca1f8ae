import type { MediaSample } from "./media.ts";

/** An entry of a track's `elst` (ISO/IEC 14496-12 §8.6.6). */
export interface Edit {
  /** Ticks of the movie's timescale; 0 as the last means "to the end". */
  readonly duration: number;
  /** Ticks of the track's timescale; -1 is a pause. */
  readonly mediaTime: number;
}

/** What an edit list comes to for a sender. */
export interface EditEffect {
  /** Seconds to add to the samples' times. */
  readonly shiftSeconds: number;
  /** The samples to send. */
  readonly samples: readonly MediaSample[];
}

/**
 * Applies pauses at the start, the first edit's beginning and, if it is the only one, its end. What lies before the
 * beginning is sent all the same, earlier: decoders need it (encoder delay, the key frame before a cut). Edits after the
 * first are not followed: the media goes on as it lies in the file.
 */
export function applyEdits(
  edits: readonly Edit[],
  samples: readonly MediaSample[],
  timescale: number,
  movieTimescale: number,
): EditEffect {
  const first = edits.findIndex((edit) => edit.mediaTime >= 0);
  const edit = edits[first];
  if (edit === undefined) return { shiftSeconds: 0, samples };
  const pause = edits.slice(0, first).reduce((sum, { duration }) => sum + duration, 0);
  const shiftSeconds = pause / movieTimescale - edit.mediaTime / timescale;
  if (edit.duration === 0 || first !== edits.length - 1) return { shiftSeconds, samples };
  // One tick of the movie's clock for its rounding. A sample after the end may be needed by one before it that is decoded
  // later, so only the tail is cut.
  const end = edit.mediaTime + ((edit.duration + 1) / movieTimescale) * timescale;
  const last = samples.findLastIndex((sample) => sample.cts < end);
  return { shiftSeconds, samples: samples.slice(0, last + 1) };
}
