import { PunchcastError } from "../core/errors.ts";

/** What a command tells: lines for people, or one JSON object a line for programs. */
export interface Output<Event extends { readonly event: string }> {
  /** Tells an event in the way that was asked for. */
  tell(event: Event): void;
  /** A line for people, left out with `--json`. */
  say(line: string): void;
  /** Replaces the lines at the bottom of a terminal; does nothing where there is no terminal. */
  live(lines: string): void;
  /** Ends the live lines, so that what follows stands below it. */
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
  let liveLines = "";

  function clearLive(): void {
    if (liveLines === "") return;
    const rows = liveLines.split("\n").length;
    stdout.write(`\r\x1b[2K${"\x1b[1A\x1b[2K".repeat(rows - 1)}`);
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
      stdout.write(`${line}\n${liveLines}`);
    },
    live(lines) {
      if (options.json || !stdout.isTTY) return;
      clearLive();
      // A line that wraps could not be cleared again.
      const width = (stdout.columns ?? 80) - 1;
      liveLines = lines
        .split("\n")
        .map((line) => line.slice(0, width))
        .join("\n");
      stdout.write(liveLines);
    },
    end() {
      if (liveLines !== "") stdout.write("\n");
      liveLines = "";
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
