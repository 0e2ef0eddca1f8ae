import { join } from "node:path";
import { openJournal } from "../config/journal-file.ts";
import { stateFolder } from "../config/platform-paths.ts";
import type { RelayConfig, StreamConfig } from "../config/relay-config.ts";
import { loadKeys } from "../config/state-file.ts";
import { openSwitchFile } from "../config/switch-file.ts";
import type { Cidr } from "../core/cidr.ts";
import { systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import type { PlaneChoice } from "../data-plane/choose-plane.ts";
import type { StreamKeys } from "../relay/credentials.ts";
import { defaultLimits, type Limits } from "../relay/limits.ts";
import type { StreamOptions } from "../relay/stream.ts";
import type { RelayOptions } from "../server/relay-options.ts";
import { loadSdpText } from "./sdp-file.ts";
import type { HttpChoice } from "./start-relay.ts";

/** The flags of `punchcast relay`. */
export interface RelayFlags {
  readonly config?: string;
  readonly listen?: string;
  readonly publicAddress?: string;
  readonly punchPort?: number;
  readonly httpPort?: number | "none";
  readonly httpListen?: string;
  readonly webrtcPort?: number | "none";
  readonly cache?: boolean;
  readonly sdp?: string;
  readonly stream?: string;
  readonly ingestPort?: number | "none";
  readonly components?: number;
  readonly from?: readonly Cidr[];
  readonly viewKey?: string;
  readonly publishKey?: string;
  readonly authSecret?: string;
  readonly open?: boolean;
  readonly openFrom?: readonly Cidr[];
  readonly plane?: PlaneChoice;
  readonly printRules?: boolean;
  readonly state?: string;
  readonly json?: boolean;
}

/** The seed's first ingest port. */
export const defaultIngestPort = 9099;

/** Two tracks, RTP and RTCP each: what MP4Box and gpac send for a film. */
export const defaultComponents = 4;

/** Gives the keys of streams that have none of their own. */
export type KeySource = (statePath: string, streams: readonly string[]) => Promise<ReadonlyMap<string, StreamKeys>>;

const keysFromStateFile: KeySource = (path, streams) => loadKeys(path, streams, systemRandom);

/** The file that keeps generated keys. */
export function relayStatePath(flags: Pick<RelayFlags, "state">, config: RelayConfig): string {
  return flags.state ?? config.state ?? defaultStatePath();
}

/**
 * What the relay is started with: flags first, then the configuration file, then defaults. Keys that neither names come
 * from `keySource`; default: the state file, where they are made if need be.
 * @throws PunchcastError BAD_OPTION, BAD_SDP, FILE_UNREADABLE, STATE_UNREADABLE, FILE_UNWRITABLE
 */
export async function relayOptions(
  flags: RelayFlags,
  config: RelayConfig,
  keySource: KeySource = keysFromStateFile,
): Promise<RelayOptions> {
  const from = flags.openFrom ?? config.openFrom ?? [];
  const isOpen = flags.open ?? config.open ?? false;
  if (from.length > 0 && !isOpen) {
    throw new PunchcastError(
      "BAD_OPTION",
      "--open-from limits bare punches, which are off: add --open to switch them on.",
    );
  }
  const statePath = relayStatePath(flags, config);
  const plane = flags.plane ?? config.plane;
  const keysOf = (names: readonly string[]): ReturnType<KeySource> => keySource(statePath, names);
  const streams = chooseStreams(flags, config);
  return {
    sdp: await readSdps(streams),
    streams: await withKeys(streams, keysOf),
    ...set({ listen: flags.listen ?? config.listen }),
    ...set({ publicAddress: flags.publicAddress ?? config.publicAddress }),
    ...set({ punchPort: flags.punchPort ?? config.punchPort }),
    ...set({ authSecret: flags.authSecret ?? config.authSecret }),
    ...set({ plane }),
    cache: flags.cache === false ? false : (config.cache ?? true),
    ...(plane !== undefined &&
      plane !== "userspace" && { journal: openJournal(journalPath(statePath), systemClock.wallNow) }),
    ...(plane === "nat" && { switches: openSwitchFile(switchesPath(statePath)) }),
    ...(isOpen && { open: { from } }),
    limits: { ...defaultLimits, ...set<Limits>(config.limits ?? {}) },
  };
}

/** Where the relay's HTTP port is: flags first, then the configuration file. */
export function httpChoice(flags: RelayFlags, config: RelayConfig): HttpChoice {
  return {
    ...set({ port: flags.httpPort ?? config.httpPort }),
    ...set({ listen: flags.httpListen ?? config.httpListen }),
    ...set({ webRtcPort: flags.webrtcPort ?? config.webrtcPort }),
  };
}

/** Where keys are kept unless `--state` names another file. */
export function defaultStatePath(): string {
  return join(stateFolder(process.env, process.platform), "relay.json");
}

/** Where the nat plane keeps who watches, next to the state file. */
export function journalPath(statePath: string): string {
  return `${statePath}.journal`;
}

/** Where it keeps the kernel's switches as they were found. */
export function switchesPath(statePath: string): string {
  return `${statePath}.switches`;
}

/** The streams of the file; without any, the one that the flags describe. */
function chooseStreams(flags: RelayFlags, config: RelayConfig): readonly StreamConfig[] {
  const { stream, ingestPort, components, from, viewKey, publishKey, sdp } = flags;
  if (config.streams === undefined)
    return [{ name: stream ?? "live", ingestPort, components, from, viewKey, publishKey, sdp }];
  const oneStream = {
    stream,
    "ingest-port": ingestPort,
    components,
    from,
    "view-key": viewKey,
    "publish-key": publishKey,
    sdp,
  };
  const used = Object.entries(oneStream).find(([, value]) => value !== undefined)?.[0];
  if (used === undefined) return config.streams;
  throw new PunchcastError(
    "BAD_OPTION",
    `--${used} describes one stream, but ${flags.config} lists streams: set it there.`,
  );
}

async function readSdps(streams: readonly StreamConfig[]): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const { name, sdp } of streams) if (sdp !== undefined) texts.set(name, await loadSdpText(sdp));
  return texts;
}

async function withKeys(
  configs: readonly StreamConfig[],
  keysOf: (names: readonly string[]) => ReturnType<KeySource>,
): Promise<StreamOptions[]> {
  const lacking = configs.filter(({ viewKey, publishKey }) => viewKey === undefined || publishKey === undefined);
  const names = lacking.map(({ name }) => name);
  const keys = names.length === 0 ? new Map<string, StreamKeys>() : await keysOf(names);
  return configs.map(
    ({
      name,
      components = defaultComponents,
      ingestPort = defaultIngestPort,
      from = [],
      viewKey,
      publishKey,
      takeover,
    }) => ({
      name,
      components,
      ingestPort: ingestPort === "none" ? undefined : ingestPort,
      from,
      viewKey: viewKey ?? keys.get(name)?.viewKey ?? "",
      publishKey: publishKey ?? keys.get(name)?.publishKey ?? "",
      ...set({ takeover }),
    }),
  );
}

/** The entries that have a value. */
function set<T extends object>(entries: { readonly [Key in keyof T]?: T[Key] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as Partial<T>;
}
