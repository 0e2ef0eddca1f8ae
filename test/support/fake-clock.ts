import type { Clock } from "../../src/core/clock.ts";

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves time on, running what was scheduled, each task at its own time and in the order of its due times. */
  advance(ms: number): void;
  /**
   * The same, letting promises settle between tasks. With `lateMs` it first jumps so far without running anything, as if
   * the process had been stopped.
   */
  advanceSettling(ms: number, lateMs?: number): Promise<void>;
}

interface Task {
  readonly at: number;
  readonly run: () => void;
}

/** A task that schedules itself without delay would hold time still for ever: better a failed test. */
const tasksMax = 1_000_000;

/** A clock at `startMs`; its wall clock runs alongside from `wallStartMs`. Timers have a whole millisecond at least, as Node's. */
export function createFakeClock(startMs = 0, wallStartMs = 1_700_000_000_000): FakeClock {
  const tasks = new Set<Task>();
  let now = startMs;

  /** Runs the task that is due first, if one is until `end`. */
  function runNext(end: number): boolean {
    let next: Task | undefined;
    for (const task of tasks) if (task.at <= end && (next === undefined || task.at < next.at)) next = task;
    if (next === undefined) return false;
    tasks.delete(next);
    now = Math.max(now, next.at);
    next.run();
    return true;
  }

  function checkCount(count: number): void {
    if (count > tasksMax) throw new Error(`A million tasks ran and time stands at ${now} ms.`);
  }

  return {
    now: () => now,
    wallNow: () => wallStartMs + now - startMs,
    schedule(delayMs, run) {
      const task = { at: now + Math.max(1, delayMs), run };
      tasks.add(task);
      return () => tasks.delete(task);
    },
    advance(ms) {
      const end = now + ms;
      for (let count = 0; runNext(end); count += 1) checkCount(count);
      now = Math.max(now, end);
    },
    async advanceSettling(ms, lateMs = 0) {
      const end = now + ms;
      now += lateMs;
      await settled();
      for (let count = 0; runNext(end); count += 1) {
        checkCount(count);
        await settled();
      }
      now = Math.max(now, end);
    },
  };
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
