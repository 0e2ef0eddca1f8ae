import { type ErrorCode, errorCodes, PunchcastError, systemErrorCode } from "../../core/errors.ts";
import type {
  ApiEvent,
  ApiKeys,
  ApiStream,
  ApiViewer,
  KeyRotation,
  MintedKey,
  MintRequest,
  NewStream,
  RelayInfo,
  StreamPatch,
} from "../api/shapes.ts";
import { readEventStream } from "./event-stream.ts";

/** Which relay, and as whom. */
export interface RelayClientOptions {
  /** `http://127.0.0.1:9000`, `https://relay.example`. */
  readonly url: string;
  /** The admin token. */
  readonly token: string;
  /** Default: the platform's. */
  readonly fetch?: typeof fetch;
}

/** How long a relay has to begin its answer, in ms: it needs milliseconds, and people wait no longer. */
const timeoutMs = 10_000;

/**
 * A relay's API. Every method throws `PunchcastError` with the relay's code where it refuses (`NO_SUCH_STREAM`,
 * `STREAM_EXISTS`, …), and `RELAY_REFUSED` where the token is wrong, nobody answers, or what answers is no relay.
 */
export interface RelayClient {
  readRelay(): Promise<RelayInfo>;
  listStreams(): Promise<readonly ApiStream[]>;
  readStream(name: string): Promise<ApiStream>;
  createStream(stream: NewStream): Promise<ApiStream>;
  changeStream(name: string, changes: StreamPatch): Promise<ApiStream>;
  deleteStream(name: string): Promise<void>;
  readKeys(name: string): Promise<ApiKeys>;
  /** Default: both. */
  rotateKeys(name: string, which?: KeyRotation["which"]): Promise<ApiKeys>;
  mintKey(name: string, wanted: MintRequest): Promise<MintedKey>;
  listViewers(name: string): Promise<readonly ApiViewer[]>;
  kickViewer(name: string, viewer: string): Promise<void>;
  /** Prometheus text. */
  readMetrics(): Promise<string>;
  /** What happens from now on, with the time in ISO 8601; ends when the relay does or the signal is aborted. */
  events(options?: { readonly signal?: AbortSignal }): AsyncIterable<ApiEvent & { readonly time: string }>;
}

/** The HTTP status that a client's error comes from; `undefined`: nobody answered, or the events ended. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof PunchcastError) || typeof error.cause !== "object" || error.cause === null) return undefined;
  return "status" in error.cause && typeof error.cause.status === "number" ? error.cause.status : undefined;
}

/** Asks nothing yet. */
export function createRelayClient({ url, token, fetch: ask = fetch }: RelayClientOptions): RelayClient {
  const base = url.replace(/\/+$/, "");

  async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const response = await ask(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ?? AbortSignal.timeout(timeoutMs),
    }).catch((error: unknown) => {
      if (signal?.aborted) throw error;
      throw new PunchcastError(
        "RELAY_REFUSED",
        `No relay answers at ${base} (${reasonOf(error)}): check the URL.`,
        error,
      );
    });
    if (!response.ok) throw await problemOf(response, base);
    return response;
  }

  async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await request(method, `/api/v1${path}`, body);
    if (!/^application\/json\b/.test(response.headers.get("content-type") ?? "")) throw noRelay(base);
    return response.json() as Promise<T>;
  }

  const stream = (name: string, rest = ""): string => `/streams/${encodeURIComponent(name)}${rest}`;

  return {
    readRelay: () => json("GET", "/relay"),
    listStreams: async () => (await json<{ streams: readonly ApiStream[] }>("GET", "/streams")).streams,
    readStream: (name) => json("GET", stream(name)),
    createStream: (wanted) => json("POST", "/streams", wanted),
    changeStream: (name, changes) => json("PATCH", stream(name), changes),
    deleteStream: async (name) => void (await request("DELETE", `/api/v1${stream(name)}`)),
    readKeys: (name) => json("GET", stream(name, "/keys")),
    rotateKeys: (name, which = "both") => json("POST", stream(name, "/keys/rotate"), { which }),
    mintKey: (name, wanted) => json("POST", stream(name, "/keys/mint"), wanted),
    listViewers: async (name) =>
      (await json<{ viewers: readonly ApiViewer[] }>("GET", stream(name, "/viewers"))).viewers,
    kickViewer: async (name, viewer) =>
      void (await request("DELETE", `/api/v1${stream(name, `/viewers/${encodeURIComponent(viewer)}`)}`)),
    readMetrics: async () => (await request("GET", "/metrics")).text(),

    async *events({ signal = new AbortController().signal } = {}) {
      const { body } = await request("GET", "/api/v1/events", undefined, signal);
      if (body === null) throw noRelay(base);
      try {
        for await (const { data } of readEventStream(chunksOf(body))) yield JSON.parse(data);
      } catch (error) {
        if (!signal.aborted)
          throw new PunchcastError("RELAY_REFUSED", `${base} ended the events: ${reasonOf(error)}.`, error);
      }
    },
  };
}

/** Not every browser's stream can be iterated over. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function problemOf(response: Response, base: string): Promise<PunchcastError> {
  const problem: unknown = await response.json().catch(() => undefined);
  if (typeof problem !== "object" || problem === null || !("code" in problem) || !("message" in problem)) {
    return noRelay(base);
  }
  const { code, message } = problem;
  return new PunchcastError(isErrorCode(code) ? code : "RELAY_REFUSED", String(message), {
    status: response.status,
  });
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(errorCodes, code);
}

function noRelay(base: string): PunchcastError {
  return new PunchcastError("RELAY_REFUSED", `What answers at ${base} is no relay, or has no API: check the URL.`);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return systemErrorCode(error.cause) ?? error.message;
}
