import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import type { PlaneChoice } from "../data-plane/choose-plane.ts";
import type { EngineName } from "../data-plane/data-plane.ts";
import type { SwitchStore } from "../data-plane/nat/switches.ts";
import type { OpenOptions } from "../relay/bare-punch.ts";
import type { Limits } from "../relay/limits.ts";
import type { Snapshot } from "../relay/saved.ts";
import type { StreamOptions } from "../relay/stream.ts";
import type { ServerEvent } from "./server-events.ts";

/** What a relay is started with. */
export interface RelayOptions {
  /** The streams it carries; the first is the bare punch's. */
  readonly streams: readonly StreamOptions[];
  /** IP literal to bind; default: every address of this host. */
  readonly listen?: string;
  /** Host that is printed in URLs, for a host behind a cloud's 1:1 NAT. Default: the first address that is not loopback. */
  readonly publicAddress?: string;
  /** Default 9000; 0: any free port. */
  readonly punchPort?: number;
  /** Secret of time-limited credentials. Default: none are taken. */
  readonly authSecret?: string;
  /** Takes the seed's bare punch. Default: never. */
  readonly open?: OpenOptions;
  /** Default: `defaultLimits`. */
  readonly limits?: Limits;
  /** Default `userspace`. */
  readonly plane?: PlaneChoice;
  /** What the userspace plane moves packets with. Default: PUNCHCAST_ENGINE, else the best that runs here. */
  readonly engine?: EngineName;
  /** Whether newcomers are shown what has been since the last key frame, before they join live. Default true. */
  readonly cache?: boolean;
  /** Keeps who watches and who publishes over a relay that was killed, for planes that go on without it. Default: nothing. */
  readonly journal?: Journal;
  /** Keeps the kernel switches that the nat plane changes as they were found, over a crash. Default: in memory only. */
  readonly switches?: SwitchStore;
  /** How often `stats` is told, in ms. Default 1000. */
  readonly statsIntervalMs?: number;
  /** SDP texts by stream, which outrank what publishers and packets tell. Default: none. */
  readonly sdp?: ReadonlyMap<string, string>;
  /** Told as warnings once the relay has started. Default: none. */
  readonly warnings?: readonly string[];
  readonly onEvent?: (event: ServerEvent) => void;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: the system's. */
  readonly random?: Random;
}

/** Where a relay keeps what it needs to go on after it was killed. */
export interface Journal {
  /** What was written last, and how long ago, in ms; `undefined` if there is nothing. */
  load(): Promise<{ readonly snapshot: Snapshot; readonly agoMs: number } | undefined>;
  save(snapshot: Snapshot): Promise<void>;
  /** Forgets it: the relay stopped in order. */
  clear(): Promise<void>;
}
