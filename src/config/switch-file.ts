import { readFile, rm } from "node:fs/promises";
import { z } from "zod";
import { PunchcastError } from "../core/errors.ts";
import { writeFileAtomically } from "./atomic-file.ts";

/** Kernel switches as they were found, by path below /proc/sys, and the run of the kernel that this is true of. */
interface Switches {
  readonly bootId: string;
  readonly values: Readonly<Record<string, string>>;
}

const schema = z.object({ version: z.literal(1), bootId: z.string(), values: z.record(z.string(), z.string()) });

/** A file that keeps kernel switches as they were found while a relay has changed them, next to the state file. */
export interface SwitchFile {
  /** `undefined` if there is no such file, or none that can be read. */
  load(): Promise<Switches | undefined>;
  /** Throws `FILE_UNWRITABLE`. */
  save(switches: Switches): Promise<void>;
  clear(): Promise<void>;
}

/** The file at `path`. */
export function openSwitchFile(path: string): SwitchFile {
  return {
    async load() {
      const text = await readFile(path, "utf8").catch(() => "");
      const parsed = schema.safeParse(parseJson(text));
      return parsed.success ? { bootId: parsed.data.bootId, values: parsed.data.values } : undefined;
    },
    async save(switches) {
      try {
        await writeFileAtomically(path, `${JSON.stringify({ version: 1, ...switches }, undefined, 2)}\n`);
      } catch (cause) {
        throw new PunchcastError(
          "FILE_UNWRITABLE",
          `${path}, where kernel switches are remembered, cannot be written: name a state file in a writable folder with --state.`,
          cause,
        );
      }
    },
    clear: () => rm(path, { force: true }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
