import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Puts shell scripts of these names in front of everything else on the PATH, until it is closed. The values are the
 * scripts' bodies; `env` is this process's environment unless another is given.
 */
export async function fakeTools(
  folder: string,
  scripts: Readonly<Record<string, string>>,
): Promise<{ readonly path: string; close(): Promise<void> }> {
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const [name, body] of Object.entries(scripts)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${body}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const before = process.env.PATH ?? "";
  process.env.PATH = `${bin}:${before}`;
  return {
    path: process.env.PATH,
    async close() {
      process.env.PATH = before;
    },
  };
}
