import type { Clock } from "../../src/core/clock.ts";

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves time on, running what was scheduled, each task at its own time and in the order of its due times. */
  advance(ms: number): void;
}

interface Task {
  readonly at: number;
  readonly run: () => void;
}

/** A clock at `startMs`; its wall clock runs alongside from `wallStartMs`. */
export function createFakeClock(startMs = 0, wallStartMs = 1_700_000_000_000): FakeClock {
  const tasks = new Set<Task>();
  let now = startMs;

  function nextUntil(end: number): Task | undefined {
    let next: Task | undefined;
    for (const task of tasks) if (task.at <= end && (next === undefined || task.at < next.at)) next = task;
    return next;
  }

  return {
    now: () => now,
    wallNow: () => wallStartMs + now - startMs,
    schedule(delayMs, run) {
      const task = { at: now + Math.max(0, delayMs), run };
      tasks.add(task);
      return () => tasks.delete(task);
    },
    advance(ms) {
      const end = now + ms;
      // A task that schedules itself without delay would hold time still for ever: better a failed test.
      for (let left = 1_000_000, task = nextUntil(end); task !== undefined; task = nextUntil(end), left -= 1) {
        if (left === 0) throw new Error(`A million tasks ran before ${end} ms was reached.`);
        tasks.delete(task);
        now = Math.max(now, task.at);
        task.run();
      }
      now = end;
    },
  };
}
