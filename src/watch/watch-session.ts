import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { type Clock, scheduleEvery, systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import type { PunchUrl } from "../core/punch-url.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { createBareMachine } from "../punch/bare-machine.ts";
import { explainRefusal, usernameFor } from "../punch/credentials.ts";
import type { PunchEvent, PunchMachine } from "../punch/machine.ts";
import { createStunMachine } from "../punch/stun-machine.ts";
import { readRtp } from "../rtp/demux.ts";
import { createReceiveStatistics, type ReceiveStatistics } from "../rtp/receive-statistics.ts";
import { sourceAddressFor } from "../udp/route.ts";
import { createContinuation } from "./continuation.ts";
import { createViewerHoles, type ViewerHoles } from "./holes.ts";
import { createRepair } from "./repair.ts";
import { createStallDetector } from "./stall-detector.ts";
import type { ComponentStats, WatchEvent } from "./watch-events.ts";

/** Punches for one stream at one address of its relay, and passes on what arrives. */
export interface WatchSession {
  /** Opens the holes; resolves when every one is open. Rejects with RELAY_REFUSED if the relay refuses for good. */
  open(): Promise<void>;
  /** The components that are watched; none before the holes are open. */
  components(): readonly number[];
  /** Sends RTCP of a player to the relay. */
  sendBack(component: number, bytes: Uint8Array): void;
  /** True once the relay has answered anything. */
  answered(): boolean;
  stats(): {
    readonly rttMs: number | undefined;
    readonly components: readonly ComponentStats[];
    readonly strangers: number;
  };
  /** Leaves: tells the relay, frees the ports. */
  close(): Promise<void>;
}

/** What a session is made of. */
export interface WatchSessionOptions {
  readonly relay: Endpoint;
  /** Credentials; `undefined` for the seed's bare punch. */
  readonly url: PunchUrl | undefined;
  /** Default: all that the relay says there are; for a bare punch 0 to 3. */
  readonly components?: readonly number[];
  /** Clock rate in Hz of a component's payload type, from an SDP, for jitter. Default: estimated. */
  readonly clockRateOf?: (component: number, payloadType: number) => number | undefined;
  /** Milliseconds that a packet may wait for those missing before it. Default 0: packets go straight through. */
  readonly latencyMs?: number;
  /** Whether to ask for missing packets; never after a bare punch. Default true. */
  readonly repair?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly onEvent: (event: WatchEvent) => void;
  /** Takes what the relay sends. `bytes` belongs to the callee. */
  readonly onMedia: (component: number, bytes: Uint8Array) => void;
  /** The relay refused for good after it had let us in. */
  readonly onRefused: (error: PunchcastError) => void;
}

/** A bare punch learns of no components: two tracks with their RTCP, as the seed's sender has them. */
const bareComponents = [0, 1, 2, 3];

const watchTickMs = 250;
/** After this many requests without an answer people want to know. About two seconds. */
const unansweredToTell = 3;

/** Prepares a session; nothing is opened before `open`. */
export function createWatchSession(options: WatchSessionOptions): WatchSession {
  const { relay, url, onEvent, clock = systemClock, random = systemRandom } = options;
  const statistics = new Map<number, ReceiveStatistics>();
  const mappedOf = new Map<number, string>();
  const stalls = createStallDetector();
  const continuation = createContinuation({
    clock,
    ...(options.clockRateOf && { clockRateOf: options.clockRateOf }),
    deliver: options.onMedia,
    onRestart: (component, kind) => onEvent({ event: "publisher-restarted", component, kind }),
  });
  const repair = createRepair({
    ...{ clock, random, latencyMs: options.latencyMs ?? 0 },
    asks: url !== undefined && options.repair !== false,
    reports: url !== undefined,
    receivedOf,
    send: (component, bytes) => void holes?.get(component)?.send(bytes),
    deliver: continuation.deliver,
  });
  const gate = Promise.withResolvers<void>();
  // A refusal can come before `open` waits for it.
  gate.promise.catch(() => {});
  let wanted: readonly number[] | undefined = options.components ?? (url === undefined ? bareComponents : undefined);
  let holes: ViewerHoles | undefined;
  let localAddress = relay.address;
  let rttMs: number | undefined;
  let told = 0;
  let stopTicking = (): void => {};
  let closed = false;

  function machineFor(component: number, session: string): PunchMachine {
    if (url === undefined) return createBareMachine({ component, random });
    const username = usernameFor(url, "viewer");
    return createStunMachine({ role: "viewer", component, session, username, password: url.key, random });
  }

  function localOf(component: number): string {
    return formatEndpoint({ address: localAddress, port: holes?.get(component)?.local.port ?? 0 });
  }

  function onPunch(component: number, event: PunchEvent): void {
    if (closed) return;
    if (event.type === "refused") onRefusal(event);
    else onGranted(component, event);
  }

  function onGranted(component: number, event: PunchEvent & { type: "granted" }): void {
    rttMs = event.rttMs;
    repair.noteRtt(rttMs);
    told = 0;
    const previous = mappedOf.get(component);
    mappedOf.set(component, event.mapped);
    const where = { component, local: localOf(component), mapped: event.mapped, relay: formatEndpoint(relay) };
    if (previous === undefined) onEvent({ event: "punched", ...where });
    else if (previous !== event.mapped) onEvent({ event: "rebound", ...where, previous });
    if (wanted === undefined) {
      wanted = Array.from({ length: event.components }, (_, k) => k);
      openSockets(wanted).catch(gate.reject);
    }
    if (wanted.every((k) => mappedOf.has(k))) gate.resolve();
  }

  function onRefusal({ code, reason, final }: PunchEvent & { type: "refused" }): void {
    const message = `Relay ${formatEndpoint(relay)} refused: ${explainRefusal(code, reason)}.`;
    if (!final) {
      onEvent({ event: "waiting", message: `${message} Trying again.` });
      return;
    }
    const error = new PunchcastError("RELAY_REFUSED", message);
    gate.reject(error);
    options.onRefused(error);
  }

  function receivedOf(component: number): ReceiveStatistics {
    const known = statistics.get(component);
    if (known !== undefined) return known;
    const { clockRateOf = () => undefined } = options;
    const made = createReceiveStatistics({ clockRateOf: (payloadType) => clockRateOf(component, payloadType) });
    statistics.set(component, made);
    return made;
  }

  function onMedia(component: number, bytes: Uint8Array): void {
    const now = clock.now();
    receivedOf(component).onPacket(readRtp(bytes), bytes.length, now);
    // RTCP comes every few seconds by nature: only the components of RTP show whether media flows.
    if (component % 2 === 0) {
      const stoppedFor = stalls.onMedia(component, now);
      if (stoppedFor !== undefined) onEvent({ event: "resumed", afterMs: Math.round(stoppedFor) });
    }
    repair.receive(component, bytes);
  }

  function makeHoles(): ViewerHoles {
    // A session of their own: under the old one the relay has been told that this viewer left, and opens nothing again.
    const session = Buffer.from(random.bytes(8)).toString("hex");
    const machines = (component: number): PunchMachine => machineFor(component, session);
    return createViewerHoles({ relay, machineFor: machines, clock, random, onPunch, onMedia });
  }

  /** Opens sockets for these components, on other ports if one of them is taken. */
  async function openSockets(components: readonly number[]): Promise<void> {
    for (let attempt = 0; attempt < 20 && !closed; attempt += 1) {
      holes ??= makeHoles();
      const opened = await holes.open(components);
      if (opened && !closed) return;
      await holes.close();
      mappedOf.clear();
      holes = undefined;
    }
    if (closed) return;
    throw new PunchcastError(
      "PORT_IN_USE",
      `No ${components.length} UDP ports in a row are free on this host: close some programs.`,
    );
  }

  function tick(): void {
    const now = clock.now();
    for (const component of stalls.silent(now)) holes?.get(component)?.punchNow();
    if (stalls.stalled(now)) onEvent({ event: "stalled", sinceMs: Math.round(stalls.silenceMs(now) ?? 0) });
    const unanswered = Math.max(0, ...[...(holes?.all() ?? [])].map((socket) => socket.unanswered()));
    if (unanswered < unansweredToTell * (told + 1)) return;
    told += 1;
    const message = `No answer from relay ${formatEndpoint(relay)} to ${unanswered} requests; trying on. Is it running, and is its UDP port open?`;
    onEvent({ event: "waiting", message });
  }

  return {
    async open() {
      localAddress = (await sourceAddressFor(relay)) ?? localAddress;
      if (closed) return;
      stopTicking = scheduleEvery(clock, watchTickMs, tick);
      await openSockets(wanted ?? [0]);
      if (url === undefined) {
        const where = { mapped: undefined, relay: formatEndpoint(relay) };
        for (const component of wanted ?? [])
          onEvent({ event: "punched", component, local: localOf(component), ...where });
        gate.resolve();
      }
      await gate.promise;
    },

    components: () => wanted ?? [],
    sendBack(component, bytes) {
      const translated = continuation.feedback(component, bytes);
      if (translated !== undefined) holes?.get(component)?.send(translated);
    },
    answered: () => mappedOf.size > 0,

    stats() {
      const components = (wanted ?? []).map((component) => {
        const { packets = 0, bytes = 0, lost = 0, jitterMs = 0 } = statistics.get(component)?.snapshot() ?? {};
        const repaired = repair.stats(component);
        return { component, packets, bytes, lost, jitterMs: Math.round(jitterMs * 100) / 100, ...repaired };
      });
      const strangers = [...(holes?.all() ?? [])].reduce((sum, socket) => sum + socket.strangers(), 0);
      return { rttMs: rttMs === undefined ? undefined : Math.round(rttMs * 100) / 100, components, strangers };
    },

    async close() {
      if (closed) return;
      closed = true;
      stopTicking();
      repair.close();
      continuation.close();
      gate.resolve();
      await holes?.close();
    },
  };
}
