/** Why a command ends: a signal from outside, its time is up, or its work is done. */
export type StopReason = "stopped" | "duration";

/** Aborted by Ctrl-C, SIGTERM or SIGHUP, or after `durationSeconds`; the abort's reason says which. */
export interface StopSignal {
  readonly signal: AbortSignal;
  /** Resolves with why. */
  readonly stopped: Promise<StopReason>;
  /** Gives the signals back to the system. */
  release(): void;
}

/** Listens for the end. A second Ctrl-C ends the process at once, as people expect when something hangs. */
export function listenForStop(durationSeconds?: number): StopSignal {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<StopReason>();
  const stop = (reason: StopReason): void => {
    release();
    controller.abort(reason);
    resolve(reason);
  };
  const onSignal = (): void => stop("stopped");
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.once(name, onSignal);
  const timer = durationSeconds === undefined ? undefined : setTimeout(() => stop("duration"), durationSeconds * 1000);
  function release(): void {
    clearTimeout(timer);
    for (const name of signals) process.off(name, onSignal);
  }
  return { signal: controller.signal, stopped: promise, release };
}
