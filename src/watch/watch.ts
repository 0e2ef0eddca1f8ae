import { rm } from "node:fs/promises";
import { type Clock, scheduleEvery, sleep, systemClock } from "../core/clock.ts";
import type { PunchcastError } from "../core/errors.ts";
import type { PunchUrl } from "../core/punch-url.ts";
import { type Random, systemRandom } from "../core/random.ts";
import type { Sdp } from "../sdp/session.ts";
import { clockRates } from "../sdp/session.ts";
import { resolveHost } from "../udp/route.ts";
import { fetchSdp } from "./fetch-sdp.ts";
import { writePlayerSdp } from "./player-sdp.ts";
import type { WatchEvent } from "./watch-events.ts";
import { createWatchSession, type WatchSession } from "./watch-session.ts";

/** What to watch, and where a player wants it. */
export interface WatchOptions {
  /** The stream, or only the relay for the seed's bare punch. */
  readonly target:
    | PunchUrl
    | { readonly host: string; readonly port: number; readonly bare: true; readonly http?: string | undefined };
  /** Default: all. */
  readonly components?: readonly number[];
  /** Component k goes to 127.0.0.1, this port + k. Default: the first free ones from 5004 on. */
  readonly port?: number;
  /** The sender's SDP: rewritten for the player, and the clock rates for jitter. Default: asked of the relay (`target.http`). */
  readonly sdp?: Sdp;
  /** Where the rewritten SDP goes. Default: a file in the temporary folder, taken away on `close`. */
  readonly sdpOut?: string;
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
  /** A player listens here on 127.0.0.1. */
  readonly port: number;
  /** The SDP for the player, as soon as there is one. */
  readonly sdpPath: string | undefined;
  /** Resolves with it; stays pending if the relay never learns what the stream is. */
  readonly described: Promise<string>;
  /** Rejects with RELAY_REFUSED if the relay refuses for good later on; resolves on `close`. */
  readonly ended: Promise<void>;
  /** Leaves: the relay closes the holes at once. */
  close(reason?: (WatchEvent & { event: "ended" })["reason"]): Promise<void>;
}

/** How long one address of a relay that has several is tried before the next. */
const perAddressMs = 3_000;

const statsMs = 1_000;

/**
 * Watches a stream: punches, keeps the holes open, hands packets to a player on this host. Resolves when every hole is
 * open, however long the relay takes to come up.
 * @throws PunchcastError HOST_UNKNOWN, RELAY_REFUSED, PORT_IN_USE, FILE_UNWRITABLE; the signal's reason if it is aborted
 */
export async function watch(options: WatchOptions): Promise<Watch> {
  const { clock = systemClock, random = systemRandom, onEvent = () => {} } = options;
  const end = Promise.withResolvers<void>();
  // A refusal after the start is told through `ended`; who does not look at it must not be ended by it.
  end.promise.catch(() => {});
  let { sdp } = options;
  const session = await connect(options, { clock, random, onEvent, onRefused: end.reject, sdp: () => sdp });
  const described = Promise.withResolvers<string>();
  let sdpPath: string | undefined;
  const port = session.playerPort() ?? 0;
  const describe = async (found: Sdp): Promise<string> => {
    sdp = found;
    sdpPath = await writePlayerSdp(found, port, options.sdpOut);
    described.resolve(sdpPath);
    return sdpPath;
  };
  try {
    if (sdp !== undefined) await describe(sdp);
  } catch (error) {
    await session.close();
    throw error;
  }
  const { components } = session.stats();
  onEvent({
    event: "ready",
    port,
    components: components.map(({ component }) => component),
    ...(sdpPath && { sdp: sdpPath }),
  });
  const stopFetching =
    sdp === undefined
      ? fetchSdp({
          ...{ target: options.target, clock },
          onSdp: (found) => void describe(found).then((path) => onEvent({ event: "sdp", sdp: path }), end.reject),
          onMissing: (message) => onEvent({ event: "no-sdp", message }),
        })
      : () => {};
  const stopStats = scheduleEvery(clock, statsMs, () => onEvent({ event: "stats", ...session.stats() }));
  let closing: Promise<void> | undefined;
  return {
    port,
    get sdpPath() {
      return sdpPath;
    },
    described: described.promise,
    ended: end.promise,
    close(reason = "stopped") {
      closing ??= (async () => {
        stopStats();
        stopFetching();
        await session.close();
        // A file that was asked for is the user's; the one in the temporary folder is ours to take away.
        if (sdpPath !== undefined && options.sdpOut === undefined) await rm(sdpPath, { force: true });
        onEvent({ event: "stats", ...session.stats() });
        onEvent({ event: "ended", reason });
        end.resolve();
      })();
      return closing;
    },
  };
}

interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: WatchEvent) => void;
  readonly onRefused: (error: PunchcastError) => void;
  /** The stream's description, once it is known. */
  readonly sdp: () => Sdp | undefined;
}

/** Opens a session at the first of the relay's addresses that answers. */
async function connect(options: WatchOptions, around: Surroundings): Promise<WatchSession> {
  const { target, signal } = options;
  const clockRateOf = createClockRates(around.sdp);
  for (;;) {
    const addresses = await resolveHost(target.host);
    for (const address of addresses) {
      const session = createWatchSession({
        ...around,
        relay: { address, port: target.port },
        url: "bare" in target ? undefined : target,
        ...(options.components && { components: options.components }),
        ...(options.port !== undefined && { playerPort: options.port }),
        clockRateOf,
      });
      try {
        if (await opens(session, around.clock, addresses.length > 1, signal)) return session;
      } catch (error) {
        await session.close();
        throw error;
      }
      await session.close();
    }
  }
}

/** Clock rates by the description, from the moment it is known. */
function createClockRates(
  sdpNow: () => Sdp | undefined,
): (component: number, payloadType: number) => number | undefined {
  let rates: Map<number, number>[] | undefined;
  return (component, payloadType) => {
    const sdp = sdpNow();
    // Media line i is carried by components 2i and 2i+1; payload types are unique within a line only.
    if (sdp !== undefined) rates ??= sdp.media.map((_, line) => clockRates(sdp, line));
    return rates?.[component >> 1]?.get(payloadType);
  };
}

/** True when the session is open; false if, with other addresses to try, this one has not answered in time. */
async function opens(session: WatchSession, clock: Clock, hasOthers: boolean, signal?: AbortSignal): Promise<boolean> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const opened = session.open().then(() => true);
  const patience = sleep(clock, perAddressMs, either).then(() => !session.answered() && hasOthers);
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal?.aborted) reject(signal.reason);
  });
  try {
    const tryNext = await Promise.race([opened.then(() => false), patience, aborted]);
    if (tryNext) return false;
    return await Promise.race([opened, aborted]);
  } finally {
    patience.catch(() => {});
    aborted.catch(() => {});
    opened.catch(() => {});
    stop.abort();
  }
}
