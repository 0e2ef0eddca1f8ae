import { rm } from "node:fs/promises";
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { type Clock, scheduleEvery, systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import type { PunchUrl } from "../core/punch-url.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { Sdp } from "../sdp/session.ts";
import { resolveHost } from "../udp/route.ts";
import { connect } from "./connect.ts";
import { createDistribution, type Distribution } from "./distribution.ts";
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
  readonly target: PunchUrl | { readonly host: string; readonly port: number; readonly bare: true };
  /** Default: all. */
  readonly components?: readonly number[];
  /** Component k goes to 127.0.0.1, this port + k. Default: the first free ones from 5004 on, unless there are `outputs`. */
  readonly port?: number;
  /** Where else packets go: component k to each port + k. Hosts are names or addresses, groups too. */
  readonly outputs?: readonly { readonly host: string; readonly port: number }[];
  /** How many routers packets to a multicast group in `outputs` may pass, 1-255. Default: 1. */
  readonly multicastTtl?: number;
  /**
   * Whether a packet belongs to a frame that decoding can begin with. Given this, a player on this host that starts late
   * gets all since the last such frame first. Default: by the codecs of `sdp`; without one a late player waits for the next key frame.
   */
  readonly isKeyStart?: (component: number, bytes: Uint8Array) => boolean;
  /** False: a late player gets nothing first, whatever `isKeyStart` says. Default: true. */
  readonly cache?: boolean;
  /** The sender's SDP: rewritten for the player, and the clock rates for jitter. */
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
  /** The SDP for the player, if one was given. */
  readonly sdpPath: string | undefined;
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
  const { clock = systemClock, random = systemRandom, onEvent = () => {}, sdp, cache = true } = options;
  const isKeyStart = options.isKeyStart ?? (sdp && keyStartsOf(sdp));
  const end = Promise.withResolvers<void>();
  // A refusal after the start is told through `ended`; who does not look at it must not be ended by it.
  end.promise.catch(() => {});
  const source = followSource(sdp);
  let session: WatchSession | undefined;
  const distribution = createDistribution({
    clock,
    isKeyStart: cache ? isKeyStart : undefined,
    isVideo: (component) => component % 2 === 0 && sdp?.media[component >> 1]?.kind === "video",
    onFeedback: (component, bytes) => session?.sendBack(component, bytes),
  });
  const onMedia = (component: number, bytes: Uint8Array): void => {
    if (component === 0) source.onPacket(bytes);
    distribution.deliver(component, bytes);
  };
  const opened = await connect(options, { clock, random, onEvent, onMedia, onRefused: end.reject });
  session = opened;
  const components = opened.components();
  try {
    const { outputs, port, local } = await openOutputs(options, distribution, components);
    onEvent({
      event: "ready",
      port,
      components,
      ...(local?.sdpPath && { sdp: local.sdpPath }),
      ...(outputs.length > 0 && { outputs }),
    });
    const programs = createPrograms({ distribution, components, source: source.known, local, clock });
    const stopStats = scheduleEvery(clock, statsMs, () => onEvent({ event: "stats", ...opened.stats() }));
    let closing: Promise<void> | undefined;
    return {
      port,
      sdpPath: local?.sdpPath,
      ended: end.promise,
      play: programs.play,
      record: programs.record,
      close(reason = "stopped") {
        closing ??= (async () => {
          await programs.close();
          stopStats();
          await opened.close();
          await distribution.close();
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
    await opened.close();
    await distribution.close();
    throw error;
  }
}

/** Opens the outputs that were asked for, and the one on this host unless others were asked for instead. */
async function openOutputs(
  { port: wantedPort, outputs: wanted = [], multicastTtl, sdp, sdpOut }: WatchOptions,
  distribution: Distribution,
  components: readonly number[],
): Promise<{
  readonly outputs: readonly string[];
  readonly port: number;
  readonly local: { readonly port: number; readonly sdpPath: string | undefined } | undefined;
}> {
  const isLocal = wanted.length === 0 || wantedPort !== undefined || sdpOut !== undefined;
  const port = isLocal ? (wantedPort ?? (await findLocalPorts(components))) : (wanted[0]?.port ?? 0);
  if (isLocal) await distribution.openUdp({ to: { address: loopback, port }, components });
  const places: Endpoint[] = [];
  for (const { host, port: at } of wanted) places.push({ address: (await resolveHost(host))[0] ?? host, port: at });
  for (const to of places)
    await distribution.openUdp({ to, components, ...(multicastTtl !== undefined && { multicastTtl }) });
  const sdpPath = isLocal && sdp !== undefined ? await writePlayerSdp(sdp, port, sdpOut) : undefined;
  const outputs = places.map((place) => `udp://${formatEndpoint(place)}`);
  return { outputs, port, local: isLocal ? { port, sdpPath } : undefined };
}

/** What the stream is: as its SDP says, or as its first packet shows. */
function followSource(sdp: Sdp | undefined): {
  readonly known: Promise<StreamSource>;
  onPacket(bytes: Uint8Array): void;
} {
  const { promise, resolve, reject } = Promise.withResolvers<StreamSource>();
  // Nobody may ask.
  promise.catch(() => {});
  let isKnown = sdp !== undefined;
  if (sdp !== undefined) resolve({ kind: "sdp", sdp });
  return {
    known: promise,
    onPacket(bytes) {
      if (isKnown) return;
      isKnown = true;
      const source = sourceFromPacket(bytes);
      if (source !== undefined) resolve(source);
      else
        reject(
          new PunchcastError(
            "BAD_OPTION",
            "A player or recorder needs to know the stream's codecs: give the sender's SDP with --sdp.",
          ),
        );
    },
  };
}
