import type { Packetizer } from "../rtp/payload/packetizer.ts";
import type { MediaSample } from "./media.ts";
import type { ScheduledSample } from "./timeline.ts";

/** A payload and when it leaves. */
export interface ScheduledPayload {
  readonly bytes: Uint8Array;
  readonly marker: boolean;
  /** Milliseconds from the stream's start. */
  readonly atMs: number;
  /** As in `ScheduledSample`. */
  readonly ticks: number;
  readonly pass: number;
  /** True for the first payload of an access unit. */
  readonly first: boolean;
}

/** One track's payloads, read and cut a little ahead of time. */
export interface TrackFeed {
  /** The next payload, without taking it; `undefined` if none is ready. */
  peek(): ScheduledPayload | undefined;
  /** Takes the payload that `peek` shows. */
  take(): void;
  /** Reads on in the background until payloads are ready up to `untilMs` of stream time. */
  fill(untilMs: number): void;
  /** True when everything has been taken. */
  readonly done: boolean;
}

/** What a feed needs. */
export interface TrackFeedOptions {
  readonly schedule: Iterator<ScheduledSample, void>;
  readonly packetizer: Packetizer;
  readonly readSample: (sample: MediaSample) => Promise<Uint8Array>;
  /** Called when a feed that was empty is so no longer, or is done. */
  readonly onReady: () => void;
  /** Called if a sample cannot be read; the feed then stands still. */
  readonly onError: (error: unknown) => void;
}

/** Starts with nothing ready: call `fill`. */
export function createTrackFeed(options: TrackFeedOptions): TrackFeed {
  const { schedule, packetizer, readSample, onReady, onError } = options;
  let queue: ScheduledPayload[] = [];
  let head = 0;
  let filledToMs = Number.NEGATIVE_INFINITY;
  let wantedMs = Number.NEGATIVE_INFINITY;
  let exhausted = false;
  let filling = false;

  const run = async (): Promise<void> => {
    while (!exhausted && filledToMs < wantedMs) {
      const next = schedule.next();
      const wasEmpty = head === queue.length;
      if (next.done === true) exhausted = true;
      else {
        const payloads = schedulePayloads(next.value, packetizer(await readSample(next.value.sample)));
        filledToMs = next.value.atMs;
        queue = [...queue.slice(head), ...payloads];
        head = 0;
      }
      if (wasEmpty && (exhausted || queue.length > 0)) onReady();
    }
    filling = false;
  };
  return {
    peek: () => queue[head],
    take: () => {
      head++;
    },
    fill: (untilMs) => {
      wantedMs = untilMs;
      if (filling || exhausted || filledToMs >= wantedMs) return;
      filling = true;
      run().catch(onError);
    },
    get done() {
      return exhausted && head === queue.length;
    },
  };
}

/** Packet k of n leaves k/n of the spread after the first, so the last one before the next frame's first. */
function schedulePayloads(
  { atMs, spreadMs, ticks, pass }: ScheduledSample,
  payloads: ReturnType<Packetizer>,
): ScheduledPayload[] {
  return payloads.map(({ bytes, marker }, k) => ({
    bytes,
    marker,
    atMs: atMs + (spreadMs * k) / payloads.length,
    ticks,
    pass,
    first: k === 0,
  }));
}
