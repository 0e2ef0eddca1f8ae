import type { DataPlaneName } from "../data-plane/data-plane.ts";
import type { StreamOptions } from "../relay/stream.ts";
import type { WireStream } from "../sdp/infer.ts";
import type { Descriptions } from "./descriptions.ts";
import type { Guests } from "./guests.ts";
import type { StreamChanges } from "./live-streams.ts";
import type { MediaDesk } from "./media-desk.ts";
import type { ListeningStream, ServerEvent } from "./server-events.ts";
import type { Viewer } from "./viewer-list.ts";

/** A running relay. */
export interface Relay {
  /** The punch port. */
  readonly punchPort: number;
  /** Where viewers punch to, for people: `host:port`. */
  readonly punch: string;
  readonly plane: DataPlaneName;
  /** The streams as they are now, with their ports and URLs. */
  readonly streams: readonly ListeningStream[];
  /** How the streams are played. */
  readonly descriptions: Descriptions;
  /** The options of a stream as they are now, keys included; `undefined` if there is none of that name. */
  stream(name: string): StreamOptions | undefined;
  /** What the streams carry, for those who are no viewers of its own kind. */
  readonly media: RelayMedia;
  /**
   * Takes in another stream.
   * @throws PunchcastError STREAM_EXISTS, BAD_OPTION, PORT_IN_USE or NO_PRIVILEGE; then nothing has changed
   */
  addStream(options: StreamOptions): Promise<ListeningStream>;
  /**
   * Changes a stream. Who has a key that is no longer good is out within 30 s. With other components or ports it is opened
   * anew: publisher and viewers come back by themselves in seconds.
   * @throws PunchcastError NO_SUCH_STREAM and what `addStream` throws; then nothing has changed
   */
  changeStream(name: string, changes: StreamChanges): Promise<ListeningStream>;
  /**
   * Takes a stream off, with its publisher and viewers.
   * @throws PunchcastError NO_SUCH_STREAM
   */
  removeStream(name: string): Promise<void>;
  /** Who watches, of one stream or of all, with what was sent to each. */
  viewers(stream?: string): Promise<Viewer[]>;
  /** Closes a viewer's holes and refuses it for a minute; false if there is no such viewer. Only another key keeps it out. */
  kick(stream: string, viewer: string): boolean;
  /** Has `guests` listed, counted and kicked with the relay's own viewers from now on. */
  adopt(guests: Guests): void;
  /** The figures that the `stats` event tells, now. */
  readStats(): Promise<ServerEvent & { event: "stats" }>;
  /** Has `listener` told everything from now on; the returned function takes that back. */
  subscribe(listener: (event: ServerEvent) => void): () => void;
  /** Stops within a second and leaves nothing behind. */
  close(): Promise<void>;
}

/** A look at what streams carry, as far as user space sees it. */
export interface RelayMedia extends Pick<MediaDesk, "listen" | "wantKeyFrame"> {
  /** False where a plane carries media unseen. */
  readonly isSeen: boolean;
  /** What the packets show the stream to be; `undefined` while nothing comes. */
  wire(stream: string): Omit<WireStream, "name"> | undefined;
  isLive(stream: string): boolean;
  /** The addresses that are bound now. */
  addresses(): readonly string[];
}
