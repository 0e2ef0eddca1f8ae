import { access, readFile, rename } from "node:fs/promises";
import { z } from "zod";
import { type Cidr, formatCidr, parseCidr } from "../core/cidr.ts";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { StreamKeys } from "../relay/credentials.ts";
import type { StreamOptions } from "../relay/stream.ts";
import { writeFileAtomically } from "./atomic-file.ts";

/** What lasts over restarts: generated keys, the API's token, and the streams that were created through the API. */
export interface StateStore {
  /** The name that a damaged file was given, after which nothing was kept any more; `undefined`: it was whole. */
  readonly setAside: string | undefined;
  /**
   * The keys of all streams that have kept ones, and new ones for those named that have none yet, which are written before
   * they are returned.
   * @throws PunchcastError FILE_UNWRITABLE
   */
  keys(streams: readonly string[]): Promise<ReadonlyMap<string, StreamKeys>>;
  /**
   * The API's token, made at first.
   * @throws PunchcastError FILE_UNWRITABLE
   */
  adminToken(): Promise<string>;
  /** The streams that were created, in that order. */
  created(): readonly StreamOptions[];
  /** Keeps a created stream as it is now. Throws `FILE_UNWRITABLE`. */
  saveStream(stream: StreamOptions): Promise<void>;
  /** Keeps other keys of a stream. Throws `FILE_UNWRITABLE`. */
  saveKeys(stream: string, keys: StreamKeys): Promise<void>;
  /** Forgets a stream and its keys. Throws `FILE_UNWRITABLE`. */
  forgetStream(stream: string): Promise<void>;
}

const keysSchema = z.object({ viewKey: z.string().min(1), publishKey: z.string().min(1) });
const createdSchema = z.object({
  components: z.int().min(1).max(255),
  /** Absent: only publishers with the key. */
  ingestPort: z.int().min(1).max(65_535).optional(),
  from: z.array(z.string().refine((text) => parseCidr(text) !== undefined)),
  takeover: z.boolean(),
});

/** The file's content. `version` is the schema's; the first one had nothing but keys. */
const stateSchema = z.object({
  version: z.union([z.literal(1), z.literal(2)]),
  adminToken: z.string().min(1).optional(),
  streams: z.record(z.string(), keysSchema.extend({ created: createdSchema.optional() })),
});

type State = z.infer<typeof stateSchema>;
type SavedStream = State["streams"][string];

/**
 * Opens the state file at `path`; there need not be one. It is replaced atomically, and only its owner can read it (0600).
 * A damaged one is given another name, which is told, and never written over.
 * @throws PunchcastError STATE_UNREADABLE if the file can be neither read nor set aside, or is of a newer version
 */
export async function openStateStore(path: string, random: Random): Promise<StateStore> {
  const read = await readState(path);
  const setAside = read === "damaged" ? await moveAside(path) : undefined;
  const streams = new Map<string, SavedStream>(read === "damaged" ? [] : Object.entries(read.streams));
  let token = read === "damaged" ? undefined : read.adminToken;
  let last: Promise<unknown> = Promise.resolve();

  /** One write after the other, each with all that is known by then; what cannot be written is not kept here either. */
  function write(name: string, next: SavedStream | undefined): Promise<void> {
    const done = last.then(async () => {
      const before = streams.get(name);
      set(name, next);
      await save().catch((error: unknown) => {
        set(name, before);
        throw error;
      });
    });
    last = done.catch(() => {});
    return done;
  }

  function set(name: string, stream: SavedStream | undefined): void {
    if (stream === undefined) streams.delete(name);
    else streams.set(name, stream);
  }

  function save(): Promise<void> {
    const adminToken = token === undefined ? {} : { adminToken: token };
    return writeState(path, { version: 2, ...adminToken, streams: Object.fromEntries(streams) });
  }

  return {
    setAside,

    async keys(names) {
      const missing = names.filter((name) => !streams.has(name));
      for (const name of missing) streams.set(name, { viewKey: newKey(random), publishKey: newKey(random) });
      if (missing.length > 0) await save();
      return new Map([...streams].map(([name, { viewKey, publishKey }]) => [name, { viewKey, publishKey }]));
    },

    async adminToken() {
      if (token === undefined) {
        token = newKey(random);
        await save();
      }
      return token;
    },

    created: () =>
      [...streams].flatMap(([name, { created, viewKey, publishKey }]): StreamOptions[] => {
        if (created === undefined) return [];
        const { ingestPort, components, takeover } = created;
        return [{ ...{ name, components, ingestPort, takeover, viewKey, publishKey }, from: blocks(created.from) }];
      }),

    saveStream({ name, components, ingestPort, from, takeover = false, viewKey, publishKey }) {
      const port = ingestPort === undefined ? {} : { ingestPort };
      const created = { components, ...port, from: from.map(formatCidr), takeover };
      return write(name, { viewKey, publishKey, created });
    },

    saveKeys: (name, { viewKey, publishKey }) => write(name, { ...streams.get(name), viewKey, publishKey }),
    forgetStream: (name) => write(name, undefined),
  };
}

/**
 * The API's token in the state file at `path`; `undefined` if there is none or the file cannot be read. Changes nothing.
 */
export async function readAdminToken(path: string): Promise<string | undefined> {
  const state = await readState(path).catch(() => "damaged" as const);
  return state === "damaged" ? undefined : state.adminToken;
}

/** What a relay would have to say of the file at `path`, `undefined` if nothing. Changes nothing. */
export async function findStateFault(path: string): Promise<string | undefined> {
  try {
    if ((await readState(path)) !== "damaged") return undefined;
    return `State file ${path} is damaged: a relay would set it aside and make new keys. Restore it, or name another with --state.`;
  } catch (error) {
    if (error instanceof PunchcastError) return error.message;
    throw error;
  }
}

/** 128 random bits in hexadecimal: one double click selects it, and no shell or URL changes it. */
export function newKey(random: Random): string {
  return Buffer.from(random.bytes(16)).toString("hex");
}

function blocks(texts: readonly string[]): Cidr[] {
  return texts.map(parseCidr).filter((block) => block !== undefined);
}

async function readState(path: string): Promise<State | "damaged"> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (systemErrorCode(cause) === "ENOENT") return { version: 2, streams: {} };
    throw new PunchcastError(
      "STATE_UNREADABLE",
      `State file ${path} cannot be read: check its owner and mode, or name another with --state.`,
      cause,
    );
  }
  const content = parseJson(text);
  const parsed = stateSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const { data: newer } = z.object({ version: z.int().min(3) }).safeParse(content);
  if (newer === undefined) return "damaged";
  throw new PunchcastError(
    "STATE_UNREADABLE",
    `State file ${path} is of a newer Punchcast (version ${newer.version}): update this one, or name another with --state.`,
  );
}

/** What was set aside before is kept as well. */
async function moveAside(path: string): Promise<string> {
  for (let count = 1; ; count += 1) {
    const name = `${path}.damaged${count === 1 ? "" : `-${count}`}`;
    const isFree = await access(name).then(
      () => false,
      () => true,
    );
    if (!isFree) continue;
    try {
      await rename(path, name);
      return name;
    } catch (cause) {
      throw new PunchcastError(
        "STATE_UNREADABLE",
        `State file ${path} is damaged and cannot be renamed: move it away to start with new keys, or name another with --state.`,
        cause,
      );
    }
  }
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
