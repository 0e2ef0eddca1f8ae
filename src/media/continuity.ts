import { classifyDatagram } from "../rtp/demux.ts";
import { type ContinuedReports, createContinuedReports } from "./continued-reports.ts";
import { type ContinuedTrack, createContinuedTrack, type RestartKind } from "./continued-track.ts";
import { createRestartClock } from "./restart-clock.ts";
import { feedbackForRun } from "./run-feedback.ts";

/** What a continuity works with. */
export interface ContinuityOptions {
  /** Clock rate in Hz of a component's payload type, from an SDP. Default: RFC 3551's static types, others estimated. */
  readonly clockRateOf?: (component: number, payloadType: number) => number | undefined;
  /** Takes what is for the players, in the order in which it shall reach them. */
  readonly deliver: (component: number, bytes: Uint8Array) => void;
  /** The publisher has begun anew; told once for each track. */
  readonly onRestart?: (component: number, kind: RestartKind) => void;
}

/**
 * Lets a stream go on when its publisher starts again: players see one SSRC for each track, sequence numbers that go on by
 * one, and timestamps that go on by the time that has passed.
 */
export interface Continuity {
  /** Takes a datagram from the relay, which belongs to the continuity from then on; `now` in ms of a monotonic clock. */
  push(component: number, bytes: Uint8Array, now: number): void;
  /** Makes a player's RTCP fit for the publisher: its own numbers again. `undefined` if nothing of it can be. */
  feedback(component: number, bytes: Uint8Array): Uint8Array | undefined;
  /** Lets go what has waited long enough. */
  release(now: number): void;
  /** When `release` has something to do, `Infinity` for never. */
  wakeAt(): number;
}

interface Track {
  readonly media: ContinuedTrack;
  readonly reports: ContinuedReports;
}

/**
 * For one stream: component 2i is the RTP of track i and 2i + 1 its RTCP, which may also come on the former (RFC 5761).
 * Until a restart everything but a goodbye passes as it is, and what is neither RTP nor RTCP always does.
 */
export function createContinuity(options: ContinuityOptions): Continuity {
  const { deliver, clockRateOf = () => undefined, onRestart = () => {} } = options;
  const tracks = new Map<number, Track>();
  const restartClock = createRestartClock();

  function trackOf(component: number): Track {
    const known = tracks.get(component);
    if (known !== undefined) return known;
    const media = createContinuedTrack({
      ...{ component, restartClock },
      clockRateOf: (payloadType) => clockRateOf(component, payloadType),
      shiftByReports: (ssrc, ntpSeconds) => reports.shiftByReports(ssrc, ntpSeconds),
      deliver: (bytes) => deliver(component, bytes),
      onRun(kind, now) {
        if (kind !== undefined) onRestart(component, kind);
        reports.onRun(now);
      },
    });
    const reports = createContinuedReports({ track: media, deliver });
    const track = { media, reports };
    tracks.set(component, track);
    return track;
  }

  return {
    push(component, bytes, now) {
      const kind = classifyDatagram(bytes);
      const base = component & ~1;
      if (kind === "rtcp") trackOf(base).reports.push(component, bytes, now);
      else if (kind === "rtp" && component === base) {
        const { media, reports } = trackOf(component);
        reports.onMedia();
        media.push(bytes, now);
      } else deliver(component, bytes);
    },

    feedback(component, bytes) {
      const run = tracks.get(component & ~1)?.media.run();
      return run === undefined ? bytes : feedbackForRun(bytes, run);
    },

    release(now) {
      for (const { media, reports } of tracks.values()) {
        media.release(now);
        reports.release(now);
      }
    },

    wakeAt() {
      let at = Number.POSITIVE_INFINITY;
      for (const { media, reports } of tracks.values()) at = Math.min(at, media.wakeAt(), reports.wakeAt());
      return at;
    },
  };
}
