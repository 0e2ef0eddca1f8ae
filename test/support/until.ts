import { setTimeout as wait } from "node:timers/promises";

/** Resolves as soon as `isTrue` is; rejects, naming what was waited for, after `timeoutMs`. */
export async function until(what: string, isTrue: () => boolean, timeoutMs = 5_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`Waited ${timeoutMs} ms in vain for: ${what}`);
    await wait(5);
  }
}
