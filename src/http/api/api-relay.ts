import type { ServerEvent } from "../../server/server-events.ts";
import type { Viewer } from "../../server/viewer-list.ts";
import type {
  ApiKeys,
  ApiStream,
  KeyRotation,
  MintedKey,
  MintRequest,
  NewStream,
  RelayInfo,
  StreamPatch,
} from "./shapes.ts";

/** What the API shows of a relay and does to it. What concerns a stream throws `NO_SUCH_STREAM` if there is none. */
export interface ApiRelay {
  info(): Promise<RelayInfo>;
  streams(): Promise<ApiStream[]>;
  stream(name: string): Promise<ApiStream>;
  /** @throws PunchcastError STREAM_EXISTS, BAD_OPTION, PORT_IN_USE, FILE_UNWRITABLE; then nothing has changed */
  createStream(wanted: NewStream): Promise<ApiStream>;
  /** @throws PunchcastError STREAM_CONFIGURED and what `createStream` throws; then nothing has changed */
  changeStream(name: string, changes: StreamPatch): Promise<ApiStream>;
  /** @throws PunchcastError STREAM_CONFIGURED, FILE_UNWRITABLE */
  deleteStream(name: string): Promise<void>;
  keys(name: string): ApiKeys;
  /** @throws PunchcastError STREAM_CONFIGURED if the configuration sets one of these keys; FILE_UNWRITABLE */
  rotateKeys(name: string, which: NonNullable<KeyRotation["which"]>): Promise<ApiKeys>;
  /** @throws PunchcastError NO_AUTH_SECRET */
  mintKey(name: string, role: MintRequest["role"], lifetimeSeconds: number): MintedKey;
  viewers(name: string): Promise<Viewer[]>;
  /** Who watches, of all streams. */
  allViewers(): Promise<Viewer[]>;
  /** @throws PunchcastError NO_SUCH_VIEWER */
  kick(name: string, viewer: string): void;
  readStats(): Promise<ServerEvent & { event: "stats" }>;
  /** Has `listener` told everything from now on; the returned function takes that back. */
  subscribe(listener: (event: ServerEvent) => void): () => void;
}
