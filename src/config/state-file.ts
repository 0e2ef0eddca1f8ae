import { readFile } from "node:fs/promises";
import { z } from "zod";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { StreamKeys } from "../relay/credentials.ts";
import { writeFileAtomically } from "./atomic-file.ts";

/** The state file's content. `version` is the schema's. */
const stateSchema = z.object({
  version: z.literal(1),
  streams: z.record(z.string(), z.object({ viewKey: z.string().min(1), publishKey: z.string().min(1) })),
});

type State = z.infer<typeof stateSchema>;

/**
 * The keys of the named streams: those in the state file, and new ones for streams that are not there yet, which are
 * written to it before they are returned. The file is replaced atomically and only its owner can read it (0600).
 * @throws PunchcastError STATE_UNREADABLE if the file is damaged (it is left as it is), FILE_UNWRITABLE
 */
export async function loadKeys(
  path: string,
  streams: readonly string[],
  random: Random,
): Promise<Map<string, StreamKeys>> {
  const state = (await readState(path)) ?? { version: 1, streams: {} };
  const missing = streams.filter((name) => !Object.hasOwn(state.streams, name));
  if (missing.length > 0) {
    const fresh = missing.map((name) => [name, { viewKey: newKey(random), publishKey: newKey(random) }] as const);
    state.streams = { ...state.streams, ...Object.fromEntries(fresh) };
    await writeState(path, state);
  }
  return new Map(Object.entries(state.streams));
}

/** Why `loadKeys` could not use the file at `path` as it is, `undefined` if it could or there is none. Changes nothing. */
export async function findStateFault(path: string): Promise<string | undefined> {
  try {
    await readState(path);
    return undefined;
  } catch (error) {
    if (error instanceof PunchcastError) return error.message;
    throw error;
  }
}

/** 128 random bits in hexadecimal: one double click selects it, and no shell or URL changes it. */
export function newKey(random: Random): string {
  return Buffer.from(random.bytes(16)).toString("hex");
}

async function readState(path: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemErrorCode(cause) === "ENOENT") return undefined;
    throw new PunchcastError(
      "STATE_UNREADABLE",
      `State file ${path} cannot be read: check its owner and mode, or name another with --state.`,
      cause,
    );
  }
  const parsed = stateSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new PunchcastError(
    "STATE_UNREADABLE",
    `State file ${path} is damaged: move it away to start with new keys, or name another with --state.`,
    parsed.error,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function writeState(path: string, state: State): Promise<void> {
  try {
    await writeFileAtomically(path, `${JSON.stringify(state, undefined, 2)}\n`);
  } catch (cause) {
    throw new PunchcastError(
      "FILE_UNWRITABLE",
      `State file ${path} cannot be written: name a writable one with --state.`,
      cause,
    );
  }
}
