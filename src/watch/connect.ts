import { type Clock, sleep } from "../core/clock.ts";
import type { PunchcastError } from "../core/errors.ts";
import type { PunchUrl } from "../core/punch-url.ts";
import type { Random } from "../core/random.ts";
import { clockRates, type Sdp } from "../sdp/session.ts";
import { resolveHost } from "../udp/route.ts";
import type { WatchEvent } from "./watch-events.ts";
import { createWatchSession, type WatchSession } from "./watch-session.ts";

/** How long one address of a relay that has several is tried before the next. */
const perAddressMs = 3_000;

/** Whom to connect to. */
export interface ConnectOptions {
  /** The stream, or only the relay for the seed's bare punch. */
  readonly target:
    | PunchUrl
    | { readonly host: string; readonly port: number; readonly bare: true; readonly http?: string | undefined };
  readonly components?: readonly number[];
  /** Default 0. */
  readonly latencyMs?: number;
  /** Default true. */
  readonly repair?: boolean;
  readonly signal?: AbortSignal;
}

/** What a session needs of whoever opens it. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: WatchEvent) => void;
  readonly onMedia: (component: number, bytes: Uint8Array) => void;
  readonly onRefused: (error: PunchcastError) => void;
  /** The stream's description, once it is known. */
  readonly sdp: () => Sdp | undefined;
}

/**
 * Opens a session at the first of the relay's addresses that answers.
 * @throws PunchcastError HOST_UNKNOWN, RELAY_REFUSED, PORT_IN_USE; the signal's reason if it is aborted
 */
export async function connect(options: ConnectOptions, around: Surroundings): Promise<WatchSession> {
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
        ...(options.latencyMs !== undefined && { latencyMs: options.latencyMs }),
        ...(options.repair !== undefined && { repair: options.repair }),
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
