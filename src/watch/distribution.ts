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
  close(): Promise<void>;
}

/** What a distribution works with. */
export interface DistributionOptions {
  readonly clock: Clock;
  /** Whether this packet belongs to a frame that decoding can begin with. Default: unknown, and nothing is kept. */
  readonly isKeyStart?: ((component: number, bytes: Uint8Array) => boolean) | undefined;
  /** Whether a component is known to be video; makes a difference before its first key frame. */
  readonly isVideo?: (component: number) => boolean;
  /** Takes RTCP for the sender. */
  readonly onFeedback: (component: number, bytes: Uint8Array) => void;
}

/** A distribution without outputs. */
export function createDistribution(options: DistributionOptions): Distribution {
  const { clock, isKeyStart, isVideo, onFeedback } = options;
  const cache =
    isKeyStart === undefined ? undefined : createKeyFrameCache({ ...(isVideo && { hasKeyFrames: isVideo }) });
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

  return {
    deliver(component, bytes) {
      if (isKeyStart !== undefined)
        cache?.add(component, bytes, clock.now(), { isKeyStart: isKeyStart(component, bytes) });
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
