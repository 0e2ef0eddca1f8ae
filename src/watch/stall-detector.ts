/** Says when media stopped and when it is back, for one viewer. */
export interface StallDetector {
  /** A media packet of this component came. Returns for how long media had stopped, if it had. */
  onMedia(component: number, now: number): number | undefined;
  /** The components that should be punched now, since they went silent. */
  silent(now: number): readonly number[];
  /** True once when the whole stream has gone silent. */
  stalled(now: number): boolean;
  /** Milliseconds since the last media packet of any component; `undefined` before the first. */
  silenceMs(now: number): number | undefined;
}

/**
 * Silence that makes the agent punch: 1 s. Not more, since a NAT that lost its mapping should cost a viewer under two
 * seconds; not less, since streams of one packet a second exist and every punch is a request to the relay.
 */
export const stallMs = 1_000;

/** A detector that has seen nothing yet. */
export function createStallDetector(): StallDetector {
  const lastMedia = new Map<number, number>();
  const poked = new Set<number>();
  let lastAny: number | undefined;
  let isStalled = false;

  return {
    onMedia(component, now) {
      lastMedia.set(component, now);
      poked.delete(component);
      const stoppedFor = isStalled && lastAny !== undefined ? now - lastAny : undefined;
      isStalled = false;
      lastAny = now;
      return stoppedFor;
    },

    silent(now) {
      const silent = [...lastMedia].filter(([component, at]) => now - at >= stallMs && !poked.has(component));
      for (const [component] of silent) poked.add(component);
      return silent.map(([component]) => component);
    },

    stalled(now) {
      if (isStalled || lastAny === undefined || now - lastAny < stallMs) return false;
      isStalled = true;
      return true;
    },

    silenceMs: (now) => (lastAny === undefined ? undefined : now - lastAny),
  };
}
