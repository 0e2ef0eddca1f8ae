import type { ServerEvent, StreamStats } from "../../server/server-events.ts";
import type { Viewer } from "../../server/viewer-list.ts";

/** The relay as a whole. */
export interface RelayInfo {
  /** Of Punchcast. */
  readonly version: string;
  readonly plane: string;
  /** Where viewers punch to, for people: `host:port`. */
  readonly punch: string;
  readonly punchPort: number;
  readonly uptimeMs: number;
  /** How many streams there are. */
  readonly streams: number;
  /** Whether time-limited credentials can be minted. */
  readonly mintsKeys: boolean;
  /** Datagrams that were refused or not understood, by reason; since the start. */
  readonly refused: Readonly<Record<string, number>>;
  /** Punches by result, `granted` or why not; since the start. */
  readonly punches: Readonly<Record<string, number>>;
  /** Datagrams that the system would not send. */
  readonly sendErrors: number;
}

/** One stream and how it fares. Holds no key. */
export interface ApiStream {
  readonly name: string;
  readonly components: number;
  /** The port of each component; empty if only publishers with the key are taken. */
  readonly ingestPorts: readonly number[];
  /** Address blocks that may send to the ingest ports; empty: anyone, first come. */
  readonly from: readonly string[];
  /** Where the plane has room for one viewer: whether the newest gets it. */
  readonly takeover: boolean;
  /** `configured`: the command line or the configuration file names it, and only there can it be changed or deleted. */
  readonly origin: "configured" | "created";
  /** How many can watch at a time: any number, one, or the newest. */
  readonly viewers: "many" | "one" | "newest";
  /** How many watch now, however many holes each has. */
  readonly watching: number;
  /** As in the relay's `stats`. */
  readonly stats: Omit<StreamStats, "name">;
}

/** What a stream is created with. */
export interface NewStream {
  readonly name: string;
  /** 1-255. Default 4. */
  readonly components?: number | undefined;
  /** The port of component 0. Default `none`: only publishers with the key. */
  readonly ingestPort?: number | "none" | undefined;
  /** Address blocks. Default: anyone, first come. */
  readonly from?: readonly string[] | undefined;
  /** Default false. */
  readonly takeover?: boolean | undefined;
  /** At least 8 characters. Default: a random one. */
  readonly viewKey?: string | undefined;
  readonly publishKey?: string | undefined;
}

/** What is changed; what is left out stays. With other components or ports the stream is opened anew. */
export type StreamPatch = Omit<NewStream, "name" | "viewKey" | "publishKey">;

/** A stream's keys, and what is made of them. Whoever has them can watch and publish. */
export interface ApiKeys {
  readonly viewKey: string;
  readonly publishKey: string;
  /** `punch://…` for `punchcast watch`. */
  readonly watchUrl: string;
  /** `punch://…` for `punchcast send`. */
  readonly publishUrl: string;
  /** The page that plays it, with the view key in the fragment; absent if browsers cannot watch. */
  readonly browserUrl?: string | undefined;
}

/** Which keys are made anew. Default: both. */
export interface KeyRotation {
  readonly which?: "view" | "publish" | "both" | undefined;
}

/** What a time-limited credential is to be good for. */
export interface MintRequest {
  readonly role: "view" | "publish";
  /** 1 to 31,536,000 (a year). Default 3600. */
  readonly lifetimeSeconds?: number | undefined;
}

/** A time-limited credential. */
export interface MintedKey {
  /** As in STUN: `<unix expiry>:<stream>[:publish]`. */
  readonly username: string;
  readonly password: string;
  /** When it ends, in seconds since 1970 UTC. */
  readonly expires: number;
  /** `punch://…` with it. */
  readonly url: string;
  /** The page that plays the stream with it; absent if it is to publish, or browsers cannot watch. */
  readonly browserUrl?: string | undefined;
}

/** One watching party; `id` is what it is kicked by. */
export type ApiViewer = Viewer;

/** Everything that the relay tells after its start. */
export type ApiEvent = ServerEvent;

/** A request that did not succeed. */
export interface ApiProblem {
  /** The HTTP status. */
  readonly status: number;
  /** See docs/errors.md. */
  readonly code: string;
  /** A sentence for people. */
  readonly message: string;
}
