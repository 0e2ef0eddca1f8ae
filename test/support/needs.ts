import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * Options for a test that runs these programs: skipped, with the reason, where one is not installed. `root` is user id 0.
 * In CI nothing is skipped, so that a missing tool turns the test red.
 */
export function needs(...tools: readonly string[]): { skip: string | false } {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
  const isThere = (tool: string): boolean =>
    tool === "root" ? process.getuid?.() === 0 : folders.some((folder) => existsSync(join(folder, tool)));
  const missing = tools.filter((tool) => !isThere(tool));
  return { skip: missing.length > 0 && process.env.CI !== "true" && `missing: ${missing.join(", ")}` };
}
