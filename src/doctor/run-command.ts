import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { decoded, malformed } from "../core/result.ts";
import type { Fact } from "./facts.ts";

/** Listings take milliseconds; rulesets of 100,000 lines a second or two. A tool that hangs must not hang the doctor. */
const timeoutMs = 5_000;

/** The listing of a ruleset with 100,000 elements has some 20 MB. */
const maxOutputBytes = 64 << 20;

/** What a command prints, or the first line of its complaint; `input` is its standard input. */
export function capture(tool: string, args: readonly string[], input = ""): Promise<Fact<string>> {
  return new Promise((resolve) => {
    const options = {
      env: environment(),
      timeout: timeoutMs,
      maxBuffer: maxOutputBytes,
      killSignal: "SIGKILL",
    } as const;
    const child = execFile(tool, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(decoded(stdout));
      const [complaint = ""] = stderr.trim().split("\n");
      resolve(malformed(`${tool}: ${complaint || error.message.split("\n")[0]}`));
    });
    // A tool that ends without reading its input says why on its standard error.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

/** Where a program is, `undefined` if it is not installed. */
export async function findTool(tool: string): Promise<string | undefined> {
  for (const folder of (environment().PATH ?? "").split(delimiter)) {
    const path = join(folder, tool);
    if ((await attempt(() => access(path, constants.X_OK))).ok) return path;
  }
  return undefined;
}

/** What a task gives, or why it could not. */
export async function attempt<T>(task: () => Promise<T>): Promise<Fact<T>> {
  try {
    return decoded(await task());
  } catch (error) {
    return malformed(error instanceof Error ? error.message : String(error));
  }
}

/** With the folders of system tools in PATH: Debian leaves them out for people other than root. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: "C", PATH: `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` };
}
