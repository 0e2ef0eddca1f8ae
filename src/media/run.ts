import { readUint16, readUint32, writeUint16, writeUint32 } from "../rtp/wire.ts";
import type { Restart } from "./restart-clock.ts";

/** One run of a track's publisher, from one start to the next, and how its numbers become those that players see. */
export interface Run {
  /** The publisher's own. */
  readonly ssrc: number;
  /** What players see: the same over all runs. */
  readonly publicSsrc: number;
  /** Added to sequence numbers, modulo 2¹⁶. */
  readonly sequenceShift: number;
  /** Added to timestamps, modulo 2³². */
  readonly timestampShift: number;
  /** The first sequence number that players see of it. */
  readonly firstSequenceNumber: number;
  /** In ms of a monotonic clock. */
  readonly beganAt: number;
  /** What all tracks of this start share; `undefined` for the first run. */
  readonly restart: Restart | undefined;
}

/**
 * The first run of a track: its numbers stay as they are. Only a first timestamp of 0, as MP4Box's sound has, becomes 1 and
 * all others follow: ffmpeg takes 0 for none, and plays the first packets twice over until a report comes.
 */
export function firstRun(ssrc: number, firstSequenceNumber: number, firstTimestamp: number, now: number): Run {
  const timestampShift = firstTimestamp === 0 ? 1 : 0;
  const unchanged = { sequenceShift: 0, timestampShift, restart: undefined };
  return { ...{ ssrc, publicSsrc: ssrc, firstSequenceNumber, beganAt: now }, ...unchanged };
}

/** True if players see the publisher's own numbers. */
export function isUnchanged(run: Run): boolean {
  const { restart, sequenceShift, timestampShift, ssrc, publicSsrc } = run;
  return restart === undefined && sequenceShift === 0 && timestampShift === 0 && ssrc === publicSsrc;
}

/** Puts the numbers that players see into an RTP packet of this run, in place; those of an unchanged run are not touched. */
export function renumber(run: Run, bytes: Uint8Array): Uint8Array {
  if (isUnchanged(run)) return bytes;
  writeUint16(bytes, 2, readUint16(bytes, 2) + run.sequenceShift);
  writeUint32(bytes, 4, readUint32(bytes, 4) + run.timestampShift);
  writeUint32(bytes, 8, run.publicSsrc);
  return bytes;
}
