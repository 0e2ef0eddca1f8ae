import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Writable } from "node:stream";
import { type Clock, sleep } from "../core/clock.ts";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";

/** How a program ended. */
export interface ToolEnd {
  /** Its exit code; null if a signal ended it. */
  readonly code: number | null;
  readonly ranMs: number;
  /** The last line it wrote to its standard error; empty if there was none. */
  readonly lastWords: string;
}

/** A running program. */
export interface Tool {
  /** Resolves when it has ended, by itself or not. */
  readonly closed: Promise<ToolEnd>;
  /** Its standard input, if asked for. What is written after its end is dropped. */
  readonly input: Writable | undefined;
  /** Sends SIGTERM (or the first of `signals`, each 2 s after the one before) and SIGKILL in the end. */
  stop(signals?: readonly NodeJS.Signals[]): Promise<ToolEnd>;
}

/** How long a program may take to end after a signal: 2 s, more than writing a configuration file takes. */
const graceMs = 2_000;

/**
 * Makes sure that a program is on the PATH.
 * @throws PunchcastError TOOL_MISSING, with `remedy` at the end of its sentence
 */
export async function requireTool(name: string, remedy: string): Promise<void> {
  const suffixes = process.platform === "win32" ? (process.env.PATHEXT ?? ".EXE").split(";") : [""];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const suffix of suffixes) {
      try {
        await access(join(folder, name + suffix), constants.X_OK);
        return;
      } catch {
        // Not here.
      }
    }
  }
  throw missing(name, "is not on this machine's PATH", remedy);
}

/**
 * Starts a program. Its output goes nowhere and its errors to ours.
 * @throws PunchcastError TOOL_MISSING, with `remedy` at the end of its sentence
 */
export async function startTool(options: {
  readonly name: string;
  readonly args: readonly string[];
  readonly remedy: string;
  readonly hasInput?: boolean;
  readonly clock: Clock;
}): Promise<Tool> {
  const { name, args, remedy, hasInput = false, clock } = options;
  const child = spawn(name, args, { stdio: [hasInput ? "pipe" : "ignore", "ignore", "pipe"] });
  const lastWords = listen(child);
  child.stdin?.on("error", () => {});
  const startedAt = clock.now();
  const closed = once(child, "close").then(
    ([code]): ToolEnd => ({ code, ranMs: clock.now() - startedAt, lastWords: lastWords() }),
  );
  closed.catch(() => {});
  try {
    await once(child, "spawn");
  } catch (cause) {
    const why = systemErrorCode(cause) === "ENOENT" ? "is not on this machine's PATH" : "cannot be started";
    throw missing(name, why, remedy, cause);
  }
  let hasEnded = false;
  void closed.then(() => {
    hasEnded = true;
  });
  return {
    closed,
    input: child.stdin ?? undefined,
    async stop(signals = ["SIGTERM"]) {
      for (const signal of signals) {
        if (hasEnded) break;
        child.kill(signal);
        await endsWithin(closed, clock, graceMs);
      }
      if (!hasEnded) child.kill("SIGKILL");
      return closed;
    },
  };
}

/** Whether a program ends within that time. */
export async function endsWithin(closed: Promise<ToolEnd>, clock: Clock, ms: number): Promise<boolean> {
  const stop = new AbortController();
  const late = sleep(clock, ms, stop.signal).then(
    () => false,
    () => false,
  );
  const ended = await Promise.race([closed.then(() => true), late]);
  stop.abort();
  return ended;
}

/** Passes on what it writes to its standard error, and remembers the last line. */
function listen(child: ChildProcess): () => string {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    process.stderr.write(text);
    tail = (tail + text).slice(-1_000);
  });
  return () =>
    tail
      .trim()
      .split(/[\r\n]+/)
      .at(-1)
      ?.trim() ?? "";
}

function missing(name: string, why: string, remedy: string, cause?: unknown): PunchcastError {
  return new PunchcastError("TOOL_MISSING", `Program ${name} ${why}: ${remedy}.`, cause);
}
