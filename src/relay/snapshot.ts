import type { Effects } from "./events.ts";
import type { Holes } from "./holes.ts";
import type { Publishers } from "./publishers.ts";
import type { Snapshot } from "./saved.ts";
import type { Stream } from "./stream.ts";

/** What is open now. */
export function takeSnapshot(holes: Holes, publishers: Publishers, now: number): Snapshot {
  return {
    holes: [...holes.values()].map(({ id, stream, component, by, local, remote, expiresAt }) => {
      return { id, stream: stream.name, component, by, local, remote, leftMs: Math.round(expiresAt - now) };
    }),
    publishers: publishers.save(now),
  };
}

/**
 * Opens again what was open `agoMs` ago, as far as its consent reaches and its stream still exists. The limits hold, and a
 * bare hole comes back only where bare punches are still taken.
 */
export function restoreSnapshot(
  snapshot: Snapshot,
  to: {
    readonly holes: Holes;
    readonly publishers: Publishers;
    readonly streams: ReadonlyMap<string, Stream>;
    readonly isOpen: boolean;
  },
  at: { readonly now: number; readonly agoMs: number },
  effects: Effects,
): void {
  for (const saved of snapshot.publishers) {
    const stream = to.streams.get(saved.stream);
    if (stream !== undefined) to.publishers.restore(stream, saved, at, effects);
  }
  for (const { stream: name, leftMs, ...saved } of snapshot.holes) {
    const stream = to.streams.get(name);
    const stillLeftMs = leftMs - at.agoMs;
    if (stream === undefined || saved.component >= stream.components || stillLeftMs <= 0) continue;
    if (saved.by === "bare" && !to.isOpen) continue;
    to.holes.renew({ ...saved, stream }, at.now, effects, stillLeftMs);
  }
}
