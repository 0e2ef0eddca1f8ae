import { PunchcastError } from "../core/errors.ts";
import { decoded, malformed } from "../core/result.ts";
import { runTool } from "../data-plane/nat/run-tool.ts";
import type { Fact } from "./facts.ts";

/** What a system tool prints, or why it could not be asked. */
export async function capture(tool: string, args: readonly string[]): Promise<Fact<string>> {
  try {
    return decoded(await runTool(tool, args));
  } catch (error) {
    const isForbidden = error instanceof PunchcastError && error.code === "NO_PRIVILEGE";
    return malformed(isForbidden ? `${tool} tells it to root only` : reasonOf(error));
  }
}

/** What a task gives, or why it could not. */
export async function attempt<T>(task: () => Promise<T>): Promise<Fact<T>> {
  try {
    return decoded(await task());
  } catch (error) {
    return malformed(reasonOf(error));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
