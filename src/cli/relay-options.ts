import { join } from "node:path";
import { openJournal } from "../config/journal-file.ts";
import { stateFolder } from "../config/platform-paths.ts";
import type { RelayConfig, StreamConfig } from "../config/relay-config.ts";
import type { StateStore } from "../config/state-file.ts";
import { openSwitchFile } from "../config/switch-file.ts";
import type { Cidr } from "../core/cidr.ts";
import { systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { defaultPunchPort } from "../core/punch-url.ts";
import type { PlaneChoice } from "../data-plane/choose-plane.ts";
import type { StreamKeys } from "../relay/credentials.ts";
import { defaultLimits, type Limits } from "../relay/limits.ts";
import { checkStreams, type StreamOptions } from "../relay/stream.ts";
import type { RelayOptions } from "../server/relay-options.ts";
import { loadSdpText } from "./sdp-file.ts";

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
  readonly adminToken?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly viewerMetrics?: boolean;
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

/** What the options take from the state file. */
export type StateSource = Pick<StateStore, "keys" | "created" | "setAside">;

/** The file that keeps generated keys. */
export function relayStatePath(flags: Pick<RelayFlags, "state">, config: RelayConfig): string {
  return flags.state ?? config.state ?? defaultStatePath();
}

/**
 * What the relay is started with: flags first, then the configuration file, then defaults. Keys that neither names come
 * from the state file, where they are made if need be, and so do the streams that the API created, as far as they fit.
 * @throws PunchcastError BAD_OPTION, BAD_SDP, FILE_UNREADABLE, STATE_UNREADABLE, FILE_UNWRITABLE
 */
export async function relayOptions(flags: RelayFlags, config: RelayConfig, state: StateSource): Promise<RelayOptions> {
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
  const configured = configuredStreams(flags, config);
  const punchPort = flags.punchPort ?? config.punchPort;
  const { streams, warnings } = withCreated(await withKeys(configured, state), state, punchPort ?? defaultPunchPort);
  return {
    sdp: await readSdps(configured),
    ...{ streams, warnings },
    ...set({ listen: flags.listen ?? config.listen }),
    ...set({ publicAddress: flags.publicAddress ?? config.publicAddress }),
    ...set({ punchPort }),
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
export function configuredStreams(flags: RelayFlags, config: RelayConfig): readonly StreamConfig[] {
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

async function withKeys(configs: readonly StreamConfig[], state: StateSource): Promise<StreamOptions[]> {
  const lacking = configs.filter(({ viewKey, publishKey }) => viewKey === undefined || publishKey === undefined);
  const names = lacking.map(({ name }) => name);
  const keys = names.length === 0 ? new Map<string, StreamKeys>() : await state.keys(names);
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

/**
 * Adds the streams that the API created. One that the configuration has made impossible is left out and told, since the
 * relay must start for it to be changed.
 */
function withCreated(
  configured: readonly StreamOptions[],
  { created, setAside }: StateSource,
  punchPort: number,
): { readonly streams: readonly StreamOptions[]; readonly warnings: readonly string[] } {
  let streams = configured;
  const warnings: string[] = [];
  if (setAside !== undefined) {
    warnings.push(
      `The state file was damaged: it is kept as ${setAside}, and there are new keys and no created streams any more. To go on with the old ones mend it, rename it back and start again.`,
    );
  }
  for (const stream of created()) {
    try {
      checkStreams([...streams, stream], punchPort);
      streams = [...streams, stream];
    } catch (error) {
      if (!(error instanceof PunchcastError)) throw error;
      warnings.push(`Stream '${stream.name}', which the API created, is left out. ${error.message}`);
    }
  }
  return { streams, warnings };
}

/** The entries that have a value. */
function set<T extends object>(entries: { readonly [Key in keyof T]?: T[Key] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as Partial<T>;
}
