import { readFile, rm } from "node:fs/promises";
import { z } from "zod";
import { systemErrorCode } from "../core/errors.ts";
import type { Snapshot } from "../relay/saved.ts";
import { writeFileAtomically } from "./atomic-file.ts";

/** A file that keeps who watches and who publishes, next to the state file. */
export interface JournalFile {
  load(): Promise<{ readonly snapshot: Snapshot; readonly agoMs: number } | undefined>;
  save(snapshot: Snapshot): Promise<void>;
  clear(): Promise<void>;
}

const endpoint = z.object({ address: z.string(), port: z.int() });
const hole = z.object({
  id: z.string(),
  stream: z.string(),
  component: z.int().min(0),
  by: z.enum(["key", "bare"]),
  local: endpoint,
  remote: endpoint,
  leftMs: z.number(),
});
const flow = z.object({ component: z.int().min(0), local: endpoint, publisher: endpoint, leftMs: z.number() });
const publisher = z.object({
  stream: z.string(),
  identity: z.string(),
  by: z.enum(["address", "key"]),
  flows: z.array(flow),
});
const journal = z.object({
  version: z.literal(1),
  savedAt: z.number(),
  holes: z.array(hole),
  publishers: z.array(publisher),
});

/**
 * Opens the journal at `path`. What it holds lasts seconds: a damaged or old one is worth nothing and is ignored. `wallNow`
 * gives the time of day in ms since 1970 UTC.
 */
export function openJournal(path: string, wallNow: () => number): JournalFile {
  return {
    async load() {
      const parsed = journal.safeParse(await readJson(path));
      if (!parsed.success) return undefined;
      const { savedAt, holes, publishers } = parsed.data;
      return { snapshot: { holes, publishers }, agoMs: Math.max(0, wallNow() - savedAt) };
    },
    save: (snapshot) => writeFileAtomically(path, JSON.stringify({ version: 1, savedAt: wallNow(), ...snapshot })),
    clear: () => rm(path, { force: true }),
  };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) !== undefined) return undefined;
    throw error;
  }
}
