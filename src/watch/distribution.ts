import type { Clock } from "../core/clock.ts";
import { createKeyFrameCache, type StreamCache } from "../media/stream-cache.ts";
import { type Output, openUdpOutput, type UdpOutputOptions } from "./output.ts";

/** Hands each packet of a stream to every output, and keeps what one that comes late has missed. */
export interface Distribution {
  deliver(component: number, bytes: Uint8Array): void;
  /** Opens one more output by UDP. The first one's RTCP goes back to the sender. Throws as `openUdpOutput`. */
  openUdp(options: Pick<UdpOutputOptions, "to" | "components" | "multicastTtl" | "filter">): Promise<Output>;
  /** Adds an output of another kind, which gets what came since the last key frame at once. */
  add(output: Output): Output;
  /** Tells what the stream is. What came before is looked at now, for the first time only. */
  know(about: StreamKnowledge): void;
  close(): Promise<void>;
}

/** What has to be known of a stream to keep what a late program needs. */
export interface StreamKnowledge {
  /** Whether this packet belongs to a frame that decoding can begin with. */
  readonly isKeyStart: (component: number, bytes: Uint8Array) => boolean;
  /** Whether a component is known to be video; makes a difference before its first key frame. */
  readonly isVideo: (component: number) => boolean;
}

/** What a distribution works with. */
export interface DistributionOptions {
  readonly clock: Clock;
  /** Whether what a late program has missed is kept. */
  readonly cache: boolean;
  /** Takes RTCP for the sender. */
  readonly onFeedback: (component: number, bytes: Uint8Array) => void;
}

/** Eight seconds of 8 Mbit/s: an SDP is there sooner, or not at all. */
const mostEarlyBytes = 8 << 20;

/** A distribution without outputs. */
export function createDistribution(options: DistributionOptions): Distribution {
  const { clock, onFeedback } = options;
  let knowledge: StreamKnowledge | undefined;
  const hasKeyFrames = (component: number): boolean => knowledge?.isVideo(component) ?? false;
  const cache = options.cache ? createKeyFrameCache({ hasKeyFrames }) : undefined;
  /** What came before it was known what it is: a relay begins with the last key frame, and that must not be missed. */
  let early: { readonly component: number; readonly bytes: Uint8Array; readonly atMs: number }[] = [];
  let earlyBytes = 0;
  const outputs = new Set<Output>();
  let hasFirst = false;

  /** Keeps the output until it is closed. */
  function keep(output: Output): Output {
    const kept: Output = {
      deliver: output.deliver,
      close() {
        outputs.delete(kept);
        return output.close();
      },
    };
    outputs.add(kept);
    return kept;
  }

  function remember(component: number, bytes: Uint8Array, atMs: number): void {
    if (cache === undefined) return;
    if (knowledge !== undefined) {
      cache.add(component, bytes, atMs, { isKeyStart: knowledge.isKeyStart(component, bytes) });
    } else if (earlyBytes < mostEarlyBytes) {
      early.push({ component, bytes: bytes.slice(), atMs });
      earlyBytes += bytes.length;
    }
  }

  return {
    know(about) {
      const before = early;
      early = [];
      knowledge ??= about;
      for (const { component, bytes, atMs } of before) remember(component, bytes, atMs);
    },
    deliver(component, bytes) {
      remember(component, bytes, clock.now());
      for (const output of outputs) output.deliver(component, bytes);
    },
    async openUdp(where) {
      const isFirst = !hasFirst;
      hasFirst = true;
      return keep(await openUdpOutput({ ...where, clock, cache, ...(isFirst && { onFeedback }) }));
    },
    add(output) {
      if (cache !== undefined) replay(cache, output);
      return keep(output);
    },
    async close() {
      await Promise.all([...outputs].map((output) => output.close()));
    },
  };
}

/** Components that a pipe's output may have: it takes streams of one component only, such as MPEG-TS. */
const pipedComponent = 0;

function replay(cache: StreamCache, output: Output): void {
  let cursor = cache.start(pipedComponent);
  while (cursor !== undefined) {
    const packet = cache.read(pipedComponent, cursor);
    if (packet !== undefined) output.deliver(pipedComponent, packet.bytes.slice());
    cursor = packet?.next;
  }
}
