import type { Clock } from "../core/clock.ts";
import { type ContinuityOptions, createContinuity } from "../media/continuity.ts";

/** What stands in front of the players of a session, so that a publisher that starts again does not stop them. */
export interface Continuation {
  /** Takes a datagram for the players, which belongs to the continuation from then on. */
  deliver(component: number, bytes: Uint8Array): void;
  /** A player's RTCP with the publisher's own numbers; `undefined` if it says nothing to it. */
  feedback(component: number, bytes: Uint8Array): Uint8Array | undefined;
  /** Stops the timer. */
  close(): void;
}

/** A continuity with a timer for what waits. */
export function createContinuation(options: ContinuityOptions & { readonly clock: Clock }): Continuation {
  const { clock } = options;
  const continuity = createContinuity(options);
  let wakesAt = Number.POSITIVE_INFINITY;
  let cancel = (): void => {};
  let closed = false;

  /** Sets the timer anew only if something is due earlier than it goes off. */
  function wake(now: number): void {
    const at = continuity.wakeAt();
    if (at >= wakesAt || closed) return;
    cancel();
    wakesAt = at;
    cancel = clock.schedule(Math.max(0, at - now), onTimer);
  }

  function onTimer(): void {
    wakesAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    continuity.release(now);
    wake(now);
  }

  return {
    deliver(component, bytes) {
      const now = clock.now();
      continuity.push(component, bytes, now);
      wake(now);
    },
    feedback: continuity.feedback,
    close() {
      closed = true;
      cancel();
    },
  };
}
