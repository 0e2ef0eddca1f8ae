import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PunchcastError } from "../core/errors.ts";

/** A Punchcast command that runs as a child with `--json`. */
export interface ChildCommand<Event extends { readonly event: string }> {
  /** The first event of that name, from the start on. Rejects with TOOL_FAILED if the command ends before. */
  first<Name extends Event["event"]>(name: Name): Promise<Event & { readonly event: Name }>;
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>;
}

/** The arguments that run this very program again with `args`. */
export function ownCommand(args: readonly string[]): readonly [command: string, args: readonly string[]] {
  return [process.execPath, [...process.execArgv, process.argv[1] ?? "", ...args]];
}

/** Reads the events of a command that was started with its standard output as a pipe. */
export function followChild<Event extends { readonly event: string }>(
  child: ChildProcess,
  name: string,
  onEvent: (event: Event) => void,
): ChildCommand<Event> {
  const seen = new Map<string, Event>();
  const waiting = new Map<string, PromiseWithResolvers<Event>>();
  let failure: PunchcastError | undefined;
  const exited = once(child, "exit").then(() => {
    failure ??= new PunchcastError(
      "TOOL_FAILED",
      `The lab's ${name} ended before it was ready: run it by hand with --shell.`,
    );
    for (const { reject } of waiting.values()) reject(failure);
  });

  function take(event: Event & { readonly message?: string }): void {
    if (event.event === "error") {
      failure = new PunchcastError("TOOL_FAILED", `The lab's ${name} failed: ${event.message}`);
    }
    if (!seen.has(event.event)) seen.set(event.event, event);
    waiting.get(event.event)?.resolve(event);
    onEvent(event);
  }

  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.startsWith("{")) take(JSON.parse(line));
    });
  }
  return {
    async first(wanted) {
      const known = seen.get(wanted);
      if (known === undefined && failure !== undefined) throw failure;
      const gate = waiting.get(wanted) ?? Promise.withResolvers<Event>();
      waiting.set(wanted, gate);
      const event = known ?? (await gate.promise);
      return event as Event & { readonly event: typeof wanted };
    },
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
