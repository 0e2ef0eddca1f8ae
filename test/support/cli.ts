import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createOwnTempFolder } from "./own-temp-folder.ts";
import { until } from "./until.ts";

const entry = join(import.meta.dirname, "punchcast-entry.ts");

/** `punchcast` as a process of its own, run from the sources. */
export interface Punchcast {
  readonly child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** The objects of `--json` so far. Throws if a whole line is none. */
  events(): { readonly event: string; readonly [field: string]: unknown }[];
  /** Resolves with the first event of this name. */
  event(name: string, timeoutMs?: number): Promise<{ readonly event: string; readonly [field: string]: unknown }>;
  /** The exit code, once it has ended; null if a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Ends it if it still runs. */
  close(): Promise<void>;
}

/** Starts `punchcast` with these arguments. */
export function startPunchcast(args: readonly string[], env: Readonly<Record<string, string>> = {}): Punchcast {
  const temporary = createOwnTempFolder();
  const child = spawn(process.execPath, [entry, ...args], {
    env: { ...process.env, ...temporary.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  let hasExited = false;
  const exited = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      hasExited = true;
      temporary.remove();
      resolve(code);
    });
  });
  const events: Punchcast["events"] = () =>
    stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    events,
    async event(name, timeoutMs = 10_000) {
      await until(
        `'${name}' from punchcast ${args[0]}`,
        () => hasExited || events().some(({ event }) => event === name),
        timeoutMs,
      );
      const found = events().find(({ event }) => event === name);
      if (found === undefined) throw new Error(`punchcast ended without '${name}': ${stdout}${stderr}`);
      return found;
    },
    exited,
    async close() {
      if (!hasExited) child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Runs `punchcast` to its end. */
export async function runPunchcast(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const running = startPunchcast(args, env);
  const timer = setTimeout(() => running.child.kill("SIGKILL"), 20_000);
  const code = await running.exited;
  clearTimeout(timer);
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}
