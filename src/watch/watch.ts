import { rm } from "node:fs/promises";
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { type Clock, scheduleEvery, systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import type { PunchUrl } from "../core/punch-url.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { Sdp } from "../sdp/session.ts";
import { createPortHolder, type PortHolder } from "../udp/free-ports.ts";
import { resolveHost } from "../udp/route.ts";
import { connect } from "./connect.ts";
import { createDistribution, type Distribution } from "./distribution.ts";
import { fetchSdp } from "./fetch-sdp.ts";
import { keyStartsOf } from "./key-starts.ts";
import type { PlayerName } from "./player-commands.ts";
import { writePlayerSdp } from "./player-sdp.ts";
import { createPrograms, findLocalPorts } from "./programs.ts";
import { type StreamSource, sourceFromPacket } from "./stream-source.ts";
import type { ToolEnd } from "./tool.ts";
import type { WatchEvent } from "./watch-events.ts";
import type { WatchSession } from "./watch-session.ts";

/** What to watch, and where a player wants it. */
export interface WatchOptions {
  /** The stream, or only the relay for the seed's bare punch. */
  readonly target:
    | PunchUrl
    | { readonly host: string; readonly port: number; readonly bare: true; readonly http?: string | undefined };
  /** Default: all. */
  readonly components?: readonly number[];
  /** Component k goes to 127.0.0.1, this port + k. Default: the first from 5004 on that are free and no other watch's, unless there are `outputs`. */
  readonly port?: number;
  /** Where else packets go: component k to each port + k. Hosts are names or addresses, groups too. */
  readonly outputs?: readonly { readonly host: string; readonly port: number }[];
  /** How many routers packets to a multicast group in `outputs` may pass, 1-255. Default: 1. */
  readonly multicastTtl?: number;
  /**
   * Whether a packet belongs to a frame that decoding can begin with: a player on this host that starts late gets all since
   * the last such frame first. Default: by the codecs of the SDP.
   */
  readonly isKeyStart?: (component: number, bytes: Uint8Array) => boolean;
  /** False: a late player gets nothing first. Default: true. */
  readonly cache?: boolean;
  /** The sender's SDP: rewritten for the player, and the clock rates for jitter. Default: asked of the relay (`target.http`). */
  readonly sdp?: Sdp;
  /** Where the rewritten SDP goes. Default: a file in the temporary folder, taken away on `close`. */
  readonly sdpOut?: string;
  /** Milliseconds that a packet may wait for those missing before it, 0 to 10000. Default 0: packets go straight through. */
  readonly latencyMs?: number;
  /** Whether to ask the relay for missing packets; a bare punch never does. Default true. */
  readonly repair?: boolean;
  readonly onEvent?: (event: WatchEvent) => void;
  /** Gives up while it still waits for the relay. */
  readonly signal?: AbortSignal;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: the system's. */
  readonly random?: Random;
}

/** A running viewer's agent. */
export interface Watch {
  /** A player listens here on 127.0.0.1; the first of `outputs` if there are only those. */
  readonly port: number;
  /** The SDP for the player, as soon as there is one. */
  readonly sdpPath: string | undefined;
  /** Resolves with it; stays pending if the relay never learns what the stream is. */
  readonly described: Promise<string>;
  /** Rejects with RELAY_REFUSED if the relay refuses for good later on; resolves on `close`. */
  readonly ended: Promise<void>;
  /**
   * Starts a player as soon as it is known what the stream is; resolves when the player has ended.
   * @throws PunchcastError TOOL_MISSING; BAD_OPTION if the player cannot play such a stream or an SDP is needed
   */
  play(name: PlayerName): Promise<ToolEnd>;
  /**
   * Records to a file (.mp4, .mkv, .ts) through ffmpeg as soon as it is known what the stream is; resolves when the
   * recorder has ended, which by itself is a failure.
   * @throws PunchcastError TOOL_MISSING; BAD_OPTION for another suffix or if an SDP is needed
   */
  record(file: string): Promise<ToolEnd>;
  /** Leaves: recordings are finished, players closed, and the relay closes the holes at once. */
  close(reason?: (WatchEvent & { event: "ended" })["reason"]): Promise<void>;
}

const statsMs = 1_000;

const loopback = "127.0.0.1";

/**
 * Watches a stream: punches, keeps the holes open, hands packets to a player on this host and wherever else they are
 * wanted. Resolves when every hole is open, however long the relay takes to come up.
 * @throws PunchcastError HOST_UNKNOWN, RELAY_REFUSED, PORT_IN_USE, FILE_UNWRITABLE, ADDRESS_UNAVAILABLE; BAD_OPTION if an
 * output has no room for its ports; the signal's reason if it is aborted
 */
export async function watch(options: WatchOptions): Promise<Watch> {
  const { clock = systemClock, random = systemRandom, onEvent = () => {}, cache = true } = options;
  const end = Promise.withResolvers<void>();
  // A refusal after the start is told through `ended`; who does not look at it must not be ended by it.
  end.promise.catch(() => {});
  const described = Promise.withResolvers<string>();
  const source = followSource();
  let sdp: Sdp | undefined;
  let session: WatchSession | undefined;
  let local: LocalOutput | undefined;
  const onFeedback = (component: number, bytes: Uint8Array): void => session?.sendBack(component, bytes);
  const distribution = createDistribution({ clock, cache, onFeedback });
  const ports = createPortHolder(loopback);
  /** What comes before the outputs are open: a relay begins with a key frame, and who lacks its head cannot show it. */
  let unopened: { readonly component: number; readonly bytes: Uint8Array }[] | undefined = [];
  const onMedia = (component: number, bytes: Uint8Array): void => {
    if (unopened !== undefined) {
      unopened.push({ component, bytes });
      return;
    }
    if (component === 0) source.onPacket(bytes);
    distribution.deliver(component, bytes);
  };

  /** From now on it is known what the stream is. */
  async function know(found: Sdp): Promise<void> {
    sdp = found;
    const isVideo = (component: number): boolean =>
      component % 2 === 0 && found.media[component >> 1]?.kind === "video";
    distribution.know({ isKeyStart: options.isKeyStart ?? keyStartsOf(found) ?? (() => false), isVideo });
    await writeLocalSdp();
    source.onSdp(found);
  }

  async function writeLocalSdp(): Promise<string | undefined> {
    if (local === undefined || sdp === undefined) return undefined;
    local.sdpPath ??= await writePlayerSdp(sdp, local.port, options.sdpOut);
    described.resolve(local.sdpPath);
    return local.sdpPath;
  }

  if (options.sdp !== undefined) await know(options.sdp);
  const around = { clock, random, onEvent, onMedia, onRefused: end.reject, sdp: () => sdp };
  let isReady = false;
  const stopFetching =
    options.sdp !== undefined
      ? () => {}
      : fetchSdp({
          ...{ target: options.target, clock },
          onSdp: (found) => void know(found).then(tellSdp, end.reject),
          onMissing: (message) => onEvent({ event: "no-sdp", message }),
        });
  const tellSdp = (): void => {
    if (isReady && local?.sdpPath !== undefined) onEvent({ event: "sdp", sdp: local.sdpPath });
  };
  try {
    session = await connect(options, around);
    const opened = session;
    const components = opened.components();
    const { outputs, port, isLocal } = await openOutputs(options, { distribution, ports }, components);
    const before = unopened;
    unopened = undefined;
    for (const { component, bytes } of before) onMedia(component, bytes);
    if (isLocal) local = { port, sdpPath: undefined };
    const sdpPath = await writeLocalSdp();
    const given = options.sdp && sdpPath;
    onEvent({ event: "ready", port, components, ...(given && { sdp: given }), ...(outputs.length > 0 && { outputs }) });
    isReady = true;
    if (given === undefined) tellSdp();
    const programs = createPrograms({ ...{ distribution, components, ports, local, clock }, source: source.known });
    const stopStats = scheduleEvery(clock, statsMs, () => onEvent({ event: "stats", ...opened.stats() }));
    let closing: Promise<void> | undefined;
    return {
      port,
      get sdpPath() {
        return local?.sdpPath;
      },
      described: described.promise,
      ended: end.promise,
      play: programs.play,
      record: programs.record,
      close(reason = "stopped") {
        closing ??= (async () => {
          stopFetching();
          source.giveUp();
          await programs.close();
          stopStats();
          await opened.close();
          await distribution.close();
          await ports.close();
          // A file that was asked for is the user's; the one in the temporary folder is ours to take away.
          if (local?.sdpPath !== undefined && options.sdpOut === undefined) await rm(local.sdpPath, { force: true });
          onEvent({ event: "stats", ...opened.stats() });
          onEvent({ event: "ended", reason });
          end.resolve();
        })();
        return closing;
      },
    };
  } catch (error) {
    stopFetching();
    await session?.close();
    await distribution.close();
    await ports.close();
    throw error;
  }
}

/** Where the stream goes on this host for a player, and the SDP file for it, once there is one. */
interface LocalOutput {
  readonly port: number;
  sdpPath: string | undefined;
}

/** Opens the outputs that were asked for, and the one on this host unless others were asked for instead. */
async function openOutputs(
  { port: wantedPort, outputs: wanted = [], multicastTtl, sdpOut }: WatchOptions,
  { distribution, ports }: { readonly distribution: Distribution; readonly ports: PortHolder },
  components: readonly number[],
): Promise<{ readonly outputs: readonly string[]; readonly port: number; readonly isLocal: boolean }> {
  const isLocal = wanted.length === 0 || wantedPort !== undefined || sdpOut !== undefined;
  const port = isLocal ? (wantedPort ?? (await findLocalPorts(ports, components))) : (wanted[0]?.port ?? 0);
  if (isLocal) await distribution.openUdp({ to: { address: loopback, port }, components });
  const places: Endpoint[] = [];
  for (const { host, port: at } of wanted) places.push({ address: (await resolveHost(host))[0] ?? host, port: at });
  for (const to of places)
    await distribution.openUdp({ to, components, ...(multicastTtl !== undefined && { multicastTtl }) });
  return { outputs: places.map((place) => `udp://${formatEndpoint(place)}`), port, isLocal };
}

/** What the stream is: as its SDP says, or as its first packet shows. */
function followSource(): {
  /** Stays pending while neither tells; rejects if the watch ends before. */
  readonly known: Promise<StreamSource>;
  onSdp(sdp: Sdp): void;
  onPacket(bytes: Uint8Array): void;
  giveUp(): void;
} {
  const { promise, resolve, reject } = Promise.withResolvers<StreamSource>();
  // Nobody may ask.
  promise.catch(() => {});
  let hasLooked = false;
  return {
    known: promise,
    onSdp: (sdp) => resolve({ kind: "sdp", sdp }),
    onPacket(bytes) {
      if (hasLooked) return;
      hasLooked = true;
      const source = sourceFromPacket(bytes);
      if (source !== undefined) resolve(source);
    },
    giveUp: () =>
      reject(
        new PunchcastError("BAD_OPTION", "It never became known what the stream is: give the sender's SDP with --sdp."),
      ),
  };
}
