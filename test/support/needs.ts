import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * Options for a test that runs these programs: skipped, with the reason, where one is not installed.
 * In CI nothing is skipped, so that a missing tool turns the test red.
 */
export function needs(...tools: readonly string[]): { skip: string | false } {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
  const missing = tools.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  return { skip: missing.length > 0 && process.env.CI !== "true" && `not installed: ${missing.join(", ")}` };
}
