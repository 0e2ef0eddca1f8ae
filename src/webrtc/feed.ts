import { createContinuity } from "../media/continuity.ts";
import { rtcpPacketsOf } from "../media/relayed-track.ts";
import { createKeyFrameCache, type StreamCache } from "../media/stream-cache.ts";
import { decodeRtp } from "../rtp/header.ts";
import { wallMsFromNtp } from "../rtp/ntp.ts";
import { createLane, type Lane } from "./lane.ts";
import type { FedTrack } from "./messages.ts";

/** A stream on its way to browsers. */
export interface Feed {
  readonly cache: StreamCache;
  /** By the component of their RTP. */
  readonly lanes: ReadonlyMap<number, Lane>;
  /** Takes a datagram of a component, which came at `atMs`; never back in time. */
  push(component: number, bytes: Uint8Array, atMs: number): void;
  /** Lets go what has waited for proof that the publisher began anew. To be called every few tens of ms. */
  release(now: number): void;
  /** The lane's time at `now`, and the wall clock's of the publisher, the same clock for all lanes. */
  instant(component: number, now: number): { readonly wallMs: number; readonly timestamp: number } | undefined;
}

/** What a feed works with. */
export interface FeedOptions {
  readonly tracks: readonly FedTrack[];
  readonly wallNow: () => number;
  /** A lane has grown. */
  readonly onGrown: (component: number, atMs: number) => void;
  readonly onBFrames: (component: number) => void;
}

interface Report {
  readonly wallMs: number;
  readonly timestamp: number;
}

/** A feed of which nothing has come. A publisher that starts again goes on where it was, as far as browsers see. */
export function createFeed({ tracks, wallNow, onGrown, onBFrames }: FeedOptions): Feed {
  const cache = createKeyFrameCache();
  const lanes = new Map<number, Lane>();
  for (const track of tracks) {
    const { component } = track;
    lanes.set(component, createLane({ track, cache, onBFrames: () => onBFrames(component) }));
  }
  const reports = new Map<number, Report>();
  let at = 0;
  const continuity = createContinuity({
    clockRateOf: (component, payloadType) => {
      const track = lanes.get(component)?.track;
      return track?.payloadType === payloadType ? track.clockRate : undefined;
    },
    deliver(component, bytes) {
      const lane = lanes.get(component & ~1);
      if (lane === undefined) return;
      const packet = component % 2 === 0 ? decodeRtp(bytes) : undefined;
      if (packet?.ok) {
        lane.push(packet.value, at);
        onGrown(component, at);
        return;
      }
      for (const report of rtcpPacketsOf(bytes)) {
        if (report.type !== "sender-report") continue;
        reports.set(component & ~1, { wallMs: wallMsFromNtp(report.ntp), timestamp: report.rtpTimestamp });
      }
    },
  });

  return {
    cache,
    lanes,

    push(component, bytes, atMs) {
      at = Math.max(at, atMs);
      continuity.push(component, bytes, at);
    },

    release(now) {
      at = Math.max(at, now);
      continuity.release(at);
    },

    instant(component, now) {
      const lane = lanes.get(component);
      const timestamp = lane?.timestampAt(now);
      if (lane === undefined || timestamp === undefined) return undefined;
      const report = reports.get(component);
      // All or none: two clocks would set picture and sound apart by what lies between them.
      if (report === undefined || reports.size < lanes.size) return { wallMs: wallNow(), timestamp };
      const ticks = (timestamp - report.timestamp) | 0;
      return { wallMs: report.wallMs + (ticks * 1000) / lane.track.clockRate, timestamp };
    },
  };
}
