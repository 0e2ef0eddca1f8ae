import type { Clock } from "../../src/core/clock.ts";

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /**
   * Moves on by `ms`, running what falls due on the way at its time and letting promises settle in between. With `lateMs`
   * it first jumps so far without running anything, as if the process had been stopped.
   */
  advance(ms: number, lateMs?: number): Promise<void>;
}

/** Begins at `now` 1000 ms and 2026-01-01 on the wall. Timers have a whole millisecond at least, as Node's. */
export function createFakeClock(): FakeClock {
  const wallStart = Date.UTC(2026, 0, 1);
  const start = 1000;
  let now = start;
  let tasks: { at: number; task: () => void }[] = [];
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    wallNow: () => wallStart + (now - start),
    schedule: (delayMs, task) => {
      const entry = { at: now + Math.max(1, delayMs), task };
      tasks.push(entry);
      return () => {
        tasks = tasks.filter((other) => other !== entry);
      };
    },
    advance: async (ms, lateMs = 0) => {
      const until = now + ms;
      now += lateMs;
      await settle();
      for (;;) {
        const next = tasks.reduce<(typeof tasks)[0] | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined);
        if (next === undefined || next.at > until) break;
        tasks = tasks.filter((other) => other !== next);
        now = Math.max(now, next.at);
        next.task();
        await settle();
      }
      now = Math.max(now, until);
    },
  };
}
