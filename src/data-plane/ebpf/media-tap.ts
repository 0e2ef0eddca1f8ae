import type { Clock } from "../../core/clock.ts";
import type { ComponentId } from "../../relay/forwarding.ts";
import { type MediaListener, tellMediaMs } from "../data-plane.ts";
import type { Kernel } from "./bpf-syscall.ts";
import { ringBytes } from "./layout.ts";
import { openTap, type Walked } from "./tap.ts";

/** The ring's reader at work. */
export interface MediaTap {
  /** Looks into the ring from now on, or no more. */
  follow(hasFlows: boolean): void;
  /** Looks that often; `tellMediaMs` at first. The ring must hold what comes meanwhile. */
  lookEvery(ms: number): void;
  /** Hands on what is in the ring now. */
  look(): void;
  close(): void;
}

/** Packets that one look hands on: what is more waits for another right after it, so that sockets and timers get their turn. */
const mostPerLook = 1_024;

/** After a look at more packets than this the next one is soon: the ring holds 2,700 of 1,500 bytes, for a busy process too. */
const manyPerLook = 512;
const soonMs = 5;

/** Starts at the ring's end: what an earlier relay left unread is old. */
export function createMediaTap(
  kernel: Kernel,
  {
    ring,
    componentOf,
    onMedia,
    onWalked,
    clock,
    kernelMs,
  }: {
    /** The ring's file descriptor. */
    readonly ring: number;
    readonly componentOf: (fanout: number) => ComponentId | undefined;
    readonly onMedia: MediaListener;
    /** Told of the same packets, and which holes they were sent to. */
    readonly onWalked: (component: ComponentId, walked: Walked, bytes: Uint8Array) => void;
    readonly clock: Clock;
    /** The kernel's monotonic clock. */
    readonly kernelMs: () => number;
  },
): MediaTap {
  const { pageBytes } = kernel;
  const consumer = kernel.map(ring, pageBytes);
  const producer = kernel.map(ring, pageBytes + 2 * ringBytes, { offset: pageBytes, isReadOnly: true });
  const tap = openTap({ consumer, producer, dataOffset: pageBytes });
  // Both clocks count the same time from other starts.
  const apart = clock.now() - kernelMs();
  let everyMs = tellMediaMs;
  let stop: (() => void) | undefined;
  tap.skip();

  function look(): number {
    return tap.drain(mostPerLook, (walked, bytes, arrivedMs) => {
      const component = componentOf(walked.fanout);
      if (component === undefined) return;
      onMedia(component, bytes, arrivedMs + apart);
      onWalked(component, walked, bytes);
    });
  }

  function lookOn(): void {
    const count = look();
    const soon = count === mostPerLook ? 0 : count > manyPerLook ? soonMs : everyMs;
    stop = clock.schedule(Math.min(soon, everyMs), lookOn);
  }

  return {
    look: () => void look(),
    lookEvery(ms) {
      everyMs = ms;
    },
    follow(hasFlows) {
      if (hasFlows) stop ??= clock.schedule(everyMs, lookOn);
      else if (stop !== undefined) {
        look();
        stop();
        stop = undefined;
      }
    },
    close() {
      stop?.();
      for (const memory of [consumer, producer]) kernel.unmap(memory);
    },
  };
}
