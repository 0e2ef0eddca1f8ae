import type { PayloadFormat } from "../rtp/payload/packetizer.ts";

/** One access unit of a track: where it lies in the file and when. Times are ticks of the track's timescale. */
export interface MediaSample {
  /** Bytes from the file's start. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** When it is decoded: its place in the sending order. */
  readonly dts: number;
  /** When it is shown; differs from `dts` where pictures are reordered. */
  readonly cts: number;
  /** Until the next sample's `dts`. */
  readonly duration: number;
}

/** A track that can be sent. */
export interface MediaTrack {
  /** The file's number for it, from 1. */
  readonly id: number;
  /** For people: `H.264`, `H.265`, `AAC`, `Opus`. */
  readonly codec: string;
  readonly format: PayloadFormat;
  /** Ticks per second. */
  readonly timescale: number;
  /** Seconds to add to the samples' times to be in step with the other tracks: what the edit list says (may be negative). */
  readonly shiftSeconds: number;
  /** In decoding order, at least one. */
  readonly samples: readonly MediaSample[];
}

/** A track that cannot be sent, and why: `subtitles tx3g`, `AAC without a decoder configuration`. */
export interface SkippedTrack {
  readonly id: number;
  readonly reason: string;
}

/** An opened file. */
export interface Media {
  readonly path: string;
  /** At least one, in the file's order. */
  readonly tracks: readonly MediaTrack[];
  readonly skipped: readonly SkippedTrack[];
  /** The sample's bytes. Throws a `PunchcastError` `FILE_UNREADABLE` if the file has changed or cannot be read. */
  readSample(sample: MediaSample): Promise<Uint8Array>;
  close(): Promise<void>;
}
