import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A temporary folder for one child process. */
export interface OwnTempFolder {
  /** What tells the child of it, on every system. */
  readonly env: Readonly<Record<"TMPDIR" | "TEMP" | "TMP", string>>;
  /** For when the child has ended. */
  remove(): void;
}

const folders = new Set<string>();

// The kernel ends a lab's children when it closes, which may be the last thing that a test's process sees.
process.once("exit", () => {
  for (const folder of folders) remove(folder);
});

/** Makes one, so that what a killed child leaves behind goes with the test: it is removed at the latest with its process. */
export function createOwnTempFolder(): OwnTempFolder {
  const folder = mkdtempSync(join(tmpdir(), "punchcast-child-"));
  folders.add(folder);
  return { env: { TMPDIR: folder, TEMP: folder, TMP: folder }, remove: () => remove(folder) };
}

function remove(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}
