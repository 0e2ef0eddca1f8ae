/** Where time comes from. Tests pass one they move by hand; nothing else in the project asks the system for the time. */
export interface Clock {
  /** Milliseconds since an arbitrary start, never going back. */
  now(): number;
  /** Milliseconds since 1970-01-01 UTC; may jump when the host's clock is set. */
  wallNow(): number;
  /** Calls `task` once after `delayMs`; the returned function takes that back. */
  schedule(delayMs: number, task: () => void): () => void;
}

/** The system's monotonic and wall clocks, and its timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The host's monotonic clock in ms, the same in all threads and processes and in the kernel (CLOCK_MONOTONIC). */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Calls `task` every `intervalMs` until the returned function is called. */
export function scheduleEvery(clock: Clock, intervalMs: number, task: () => void): () => void {
  let cancel = clock.schedule(intervalMs, run);
  function run(): void {
    cancel = clock.schedule(intervalMs, run);
    task();
  }
  return () => cancel();
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}
