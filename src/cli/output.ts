import { PunchcastError } from "../core/errors.ts";

/** Where a command writes, so that tests can read along. */
export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** What a command tells: lines for people, or one JSON object a line for programs. */
export interface Output<Event extends { readonly event: string }> {
  /** Tells an event in the way that was asked for. */
  tell(event: Event): void;
  /** A line for people, left out with `--json`. */
  say(line: string): void;
  /** Replaces the line at the bottom of a terminal; does nothing where there is no terminal. */
  live(line: string): void;
  /** Ends the live line, so that what follows stands below it. */
  end(): void;
}

/**
 * Makes a command's output. `render` makes the lines for people of an event; `undefined`: nothing to say.
 * With `json` every event is one object on a line of its own, with the time in ISO 8601.
 */
export function createOutput<Event extends { readonly event: string }>(options: {
  readonly json: boolean;
  readonly render: (event: Event, output: Output<Event>) => string | undefined;
}): Output<Event> {
  const { stdout } = process;
  let liveLine = "";

  function clearLive(): void {
    if (liveLine !== "") stdout.write("\r\x1b[2K");
  }

  const output: Output<Event> = {
    tell(event) {
      if (options.json) {
        stdout.write(`${JSON.stringify({ ...event, time: new Date().toISOString() })}\n`);
        return;
      }
      const text = options.render(event, output);
      if (text !== undefined) output.say(text);
    },
    say(line) {
      if (options.json) return;
      clearLive();
      stdout.write(`${line}\n${liveLine}`);
    },
    live(line) {
      if (options.json || !stdout.isTTY) return;
      clearLive();
      liveLine = line.slice(0, (stdout.columns ?? 80) - 1);
      stdout.write(liveLine);
    },
    end() {
      if (liveLine !== "") stdout.write("\n");
      liveLine = "";
    },
  };
  return output;
}

/** Says what went wrong, for people on stderr or as an object on stdout, and returns the exit code. */
export function reportFailure(error: unknown, json: boolean): number {
  const known = error instanceof PunchcastError ? error : undefined;
  const { code, exitCode, message } = known ?? unexpected(error);
  if (json)
    process.stdout.write(`${JSON.stringify({ event: "error", code, message, time: new Date().toISOString() })}\n`);
  else process.stderr.write(`punchcast: ${message}\n`);
  return exitCode;
}

function unexpected(error: unknown): PunchcastError {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new PunchcastError("INTERNAL", `This should not happen, please report it: ${what}`, error);
}
