import type { Past } from "./replays.ts";

/** Hears a packet as viewers get it; `atMs` in ms of the relay's clock. `bytes` holds during the call. */
export type MediaListener = (component: number, bytes: Uint8Array, atMs: number) => void;

/** Those who hear what streams carry, beside their viewers. */
export interface MediaTaps {
  /** Hears a stream from now on, until the returned function is called. */
  add(stream: string, listener: MediaListener): () => void;
  /** Tells those who hear the stream. */
  tell(stream: string, component: number, bytes: Uint8Array, atMs: number): void;
}

/** Nobody hears anything yet. `onHeard`: told when somebody does, or nobody any more. */
export function createMediaTaps(onHeard: (isHeard: boolean) => void): MediaTaps {
  const listeners = new Map<string, Set<MediaListener>>();
  let count = 0;

  function turn(by: 1 | -1): void {
    const before = count;
    count += by;
    if (before === 0 || count === 0) onHeard(count > 0);
  }

  return {
    add(stream, listener) {
      const here = listeners.get(stream) ?? new Set();
      listeners.set(stream, here.add(listener));
      turn(1);
      return () => {
        if (here.delete(listener)) turn(-1);
      };
    },
    tell(stream, component, bytes, atMs) {
      for (const listener of listeners.get(stream) ?? []) listener(component, bytes, atMs);
    },
  };
}

/** Tells a listener what has been since the last key frame, of all components in the order in which it came. */
export function tellPast(pasts: ReadonlyMap<number, Past>, listener: MediaListener): void {
  const cursors = new Map<number, number>();
  for (const [component, past] of pasts) {
    const start = past.start();
    if (start !== undefined) cursors.set(component, start);
  }
  for (;;) {
    let oldest: { readonly component: number; readonly packet: NonNullable<ReturnType<Past["read"]>> } | undefined;
    for (const [component, cursor] of cursors) {
      const packet = pasts.get(component)?.read(cursor);
      if (packet === undefined) cursors.delete(component);
      else if (oldest === undefined || packet.atMs < oldest.packet.atMs) oldest = { component, packet };
    }
    if (oldest === undefined) return;
    const { component, packet } = oldest;
    listener(component, packet.bytes, packet.atMs);
    cursors.set(component, packet.next);
  }
}
