import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { scheduleEvery, systemClock } from "../core/clock.ts";
import { defaultPunchPort } from "../core/punch-url.ts";
import { systemRandom } from "../core/random.ts";
import { choosePlane } from "../data-plane/choose-plane.ts";
import { createPlane, parseEngine } from "../data-plane/create-plane.ts";
import type { PlaneCounters } from "../data-plane/data-plane.ts";
import { createMemorySwitches } from "../data-plane/nat/switches.ts";
import { type Effects, noEffects } from "../relay/events.ts";
import type { ForwardingChange, HoleId } from "../relay/forwarding.ts";
import type { Hole } from "../relay/holes.ts";
import { defaultLimits } from "../relay/limits.ts";
import { createRelayCore, type Decision } from "../relay/relay-core.ts";
import { checkStreams, createStream, type Stream } from "../relay/stream.ts";
import { createPathMtu } from "../udp/path-mtu.ts";
import { createDescriptions } from "./descriptions.ts";
import type { Guests } from "./guests.ts";
import { createLiveStreams } from "./live-streams.ts";
import { displayAddress, localAddresses } from "./local-addresses.ts";
import { createMediaDesk } from "./media-desk.ts";
import type { Relay } from "./relay.ts";
import type { RelayOptions } from "./relay-options.ts";
import { createRelayPorts } from "./relay-ports.ts";
import type { ListeningStream, ServerEvent } from "./server-events.ts";
import { describeStream, startWarnings } from "./start-lines.ts";
import { createTally } from "./tally.ts";
import { listViewers } from "./viewer-list.ts";

/** How often the core ends what is over, and how often the host's addresses are read again. */
const tickMs = 1_000;
const addressesMs = 5_000;

/**
 * Starts a relay.
 * @throws PunchcastError BAD_OPTION, BAD_SDP, PORT_IN_USE, ADDRESS_UNAVAILABLE, NO_ADDRESS, NO_PRIVILEGE or UNSUPPORTED_HOST
 */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { clock = systemClock, limits = defaultLimits, authSecret, open } = options;
  checkStreams(options.streams, options.punchPort ?? defaultPunchPort);
  let streams: ReadonlyMap<string, Stream> = new Map(options.streams.map((each) => [each.name, createStream(each)]));
  const listeners = new Set(options.onEvent === undefined ? [] : [options.onEvent]);
  const onEvent = (event: ServerEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const descriptions = createDescriptions({
    componentsOf: (name) => streams.get(name)?.components,
    ...(options.sdp && { given: options.sdp }),
    inferred: (stream) => desk.media(stream)?.wire(clock.now()),
  });
  const early: string[] = [...(options.warnings ?? [])];
  let warn = (message: string): void => void early.push(message);
  const plane = await createPlane(await choosePlane(options.plane ?? "userspace", (message) => warn(message)), {
    send: (local, remote, bytes) => ports.send(local, remote, bytes),
    switches: options.switches ?? createMemorySwitches(),
    warn: (message) => warn(message),
    tool: process.env.PUNCHCAST_NAT_TOOL,
    requestsPerSecond: limits.requestsPerSecond,
    engine: options.engine ?? parseEngine(process.env.PUNCHCAST_ENGINE),
    onUnseen: noteUnseen,
    onMedia: (component, bytes, atMs) => desk.onCarried(component, bytes, atMs),
  });
  const ports = createRelayPorts(localAddresses(options.listen), plane.openSocket);
  const core = createRelayCore({
    ...{ limits, authSecret, open, holesPerComponent: plane.holesPerComponent },
    streams: [...streams.values()],
    ...(options.random && { random: options.random }),
  });
  streams = core.streams;
  const paths = await createPathMtu();
  const desk = createMediaDesk({
    ...{ core, clock, random: options.random ?? systemRandom },
    cache: plane.showsMedia && (options.cache ?? true),
    described: descriptions.codecOf,
    deliver: (component, bytes, flow) => plane.deliver(component, bytes, flow),
    onRestart: (stream, component, kind) => onEvent({ event: "publisher-restarted", stream, component, kind }),
    send: ports.send,
    open: (newcomer, onOpen) => change([newcomer], onOpen),
    mtuOf: paths.of,
    warn: (message) => warn(message),
    tellMediaWithin: (ms) => plane.tellMediaWithin?.(ms),
  });
  const tally = createTally(() => streams.values());
  const live = createLiveStreams({
    ...{ core, ports, plane, desk, descriptions, carryOut, tell: onEvent },
    onDatagram: (stream, component, bytes, from, local) =>
      perform(core.onIngestPort(stream, component, local, from, clock.now()), bytes, from, local),
  });
  const startedAt = clock.now();
  const started = Promise.withResolvers<void>();
  let isStarted = false;
  let applied: Promise<unknown> = started.promise;
  let journalled = "";
  let guests: Guests | undefined;

  function carryOut({ changes, events }: Effects): void {
    const now = desk.take(changes);
    if (now.length > 0) void change(now);
    for (const event of events) {
      if (event.event === "publisher" && event.state === "moved") desk.media(event.stream)?.onMoved(event.component);
      onEvent(event);
    }
  }

  /** Has the plane change its table, at once: a hole's first packets may stand right behind the punch that opened it. */
  function change(changes: readonly ForwardingChange[], onOpen?: () => void): Promise<void> {
    const apply = (): Promise<void> => plane.apply(changes, onOpen);
    const done = isStarted ? apply() : started.promise.then(apply);
    const told = done.catch((error: unknown) => warn(`The forwarding table could not be changed: ${error}`));
    applied = Promise.all([applied, told]);
    return told;
  }

  function perform({ verdict, effects }: Decision, bytes: Uint8Array, from: Endpoint, local: Endpoint): void {
    if (verdict.kind === "media") {
      tally.countIn(verdict.component, bytes.length);
      plane.deliver(verdict.component, desk.onIngest(verdict.component, bytes), { local, publisher: from });
    } else if (verdict.kind === "feedback") {
      plane.showMedia?.();
      desk.onFeedback(verdict.hole, bytes);
    } else {
      if (verdict.reply !== undefined) ports.send(local, from, verdict.reply);
      if (verdict.refusal !== undefined) tally.countRefusal(verdict.refusal);
      if (verdict.isPunch) tally.countPunch(verdict.refusal ?? "granted");
    }
    if (effects.changes.length > 0 || effects.events.length > 0) carryOut(effects);
  }

  async function openPorts(): Promise<number> {
    const chosen = await ports.open({
      port: options.punchPort ?? defaultPunchPort,
      purpose: "Punch port (--punch-port)",
      onDatagram: (bytes, from, local) => {
        const at = { now: clock.now(), wallNowMs: clock.wallNow() };
        perform(core.onPunchPort(local, from, bytes, at), bytes, from, local);
      },
    });
    live.start(chosen);
    await live.openAll();
    return chosen;
  }

  /** Opens the ports and starts the plane with what an earlier relay left; closes all if that fails. */
  async function start(): Promise<number> {
    try {
      // Before the ports open: a packet that came first would make its sender a new publisher, not the one that was known.
      const saved = plane.survivesRelay ? await options.journal?.load() : undefined;
      const now = clock.now();
      const { changes, events } = saved ? core.restore(saved.snapshot, { now, agoMs: saved.agoMs }) : noEffects();
      const punch = await openPorts();
      await plane.start(live.ports(), changes);
      isStarted = true;
      started.resolve();
      carryOut({ changes: [], events });
      return punch;
    } catch (error) {
      started.promise.catch(() => {});
      started.reject(error);
      desk.close();
      paths.close();
      // A plane that reads the sockets has begun with them; any other has changed nothing if its start fails.
      if (plane.openSocket !== undefined) await plane.close();
      await ports.close();
      throw error;
    }
  }

  async function readPlane(): Promise<PlaneCounters> {
    const counters = await plane.readCounters();
    noteUnseen(counters.unseen);
    return counters;
  }

  function noteUnseen(unseen: PlaneCounters["unseen"]): void {
    for (const { stream, component } of tally.takeUnseen(unseen)) {
      carryOut(core.noteMedia(stream, component, clock.now()));
    }
  }

  async function readStats(): Promise<ServerEvent & { event: "stats" }> {
    const carried = await readPlane();
    const uptimeMs = Math.round(clock.now() - startedAt);
    const figures = tally.report(core, carried, desk.fare);
    const counted = figures.streams.map((stream) => ({
      ...stream,
      ...(guests && { browsers: guests.counts(stream.name) }),
    }));
    return { event: "stats", uptimeMs, ...figures, streams: counted, sendErrors: ports.sendErrors() };
  }

  async function writeJournal(): Promise<void> {
    if (!plane.survivesRelay || options.journal === undefined) return;
    const snapshot = core.save(clock.now());
    // Consent runs down all the time, so what is written is never older than a tick.
    if (snapshot.holes.length + snapshot.publishers.length === 0 && journalled === "empty") return;
    journalled = snapshot.holes.length + snapshot.publishers.length === 0 ? "empty" : "open";
    await options.journal.save(snapshot);
  }

  const punchPort = await start();
  const every = (intervalMs: number, failure: string, task: () => Promise<void>): (() => void) =>
    scheduleEvery(clock, intervalMs, () => {
      task().catch((error: unknown) => warn(`${failure}: ${error}`));
    });
  const stopTasks = [
    scheduleEvery(clock, tickMs, () => {
      const now = clock.now();
      carryOut(core.tick(now));
      plane.renew?.(consentsLeft(core.holes.values(), now));
    }),
    every(tickMs, "Who watches could not be written down", writeJournal),
    every(options.statsIntervalMs ?? 1_000, "Statistics could not be read", async () => onEvent(await readStats())),
    every(addressesMs, "New addresses could not be bound", () => ports.follow(localAddresses(options.listen))),
  ];

  const host = options.publicAddress ?? displayAddress(ports.addresses());
  const describe = (stream: Stream): ListeningStream =>
    describeStream(stream, host, punchPort, plane.holesPerComponent);
  const punch = formatEndpoint({ address: host, port: punchPort });
  const addresses = ports.addresses().map((address) => formatEndpoint({ address, port: punchPort }));
  onEvent({ event: "listening", punch, addresses, plane: plane.name, streams: Array.from(streams.values(), describe) });
  // What the plane has to say of this host is read after the lines that tell what was started.
  warn = (message) => onEvent({ event: "warning", message });
  for (const message of [...startWarnings(ports, [...streams.values()], open), ...early]) warn(message);

  let closing: Promise<void> | undefined;
  return {
    ...{ punchPort, punch, plane: plane.name, descriptions },
    media: {
      ...{ listen: desk.listen, wantKeyFrame: desk.wantKeyFrame, isSeen: plane.showsMedia },
      wire: (stream) => desk.media(stream)?.wire(clock.now()),
      isLive: (stream) => core.publishers.isLive(stream),
      addresses: ports.addresses,
    },
    get streams() {
      return Array.from(streams.values(), describe);
    },
    stream: (name) => streams.get(name),
    addStream: async (wanted) => describe(await live.add(wanted)),
    changeStream: async (name, changes) => describe(await live.change(name, changes)),
    removeStream: live.remove,

    async viewers(stream) {
      const { holes: sent } = await readPlane();
      const holes = [...core.holes.values()].filter((hole) => stream === undefined || hole.stream.name === stream);
      const own = listViewers({ holes, sent, reportOf: desk.reportOf, now: clock.now() });
      return [...own, ...(guests?.viewers(stream) ?? [])];
    },

    kick(stream, viewer) {
      const effects = core.kick(stream, viewer, clock.now());
      carryOut(effects);
      return effects.events.length > 0 || guests?.kick(stream, viewer) === true;
    },

    adopt(those) {
      guests = those;
    },

    readStats,

    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    close() {
      closing ??= (async () => {
        for (const stop of stopTasks) stop();
        desk.close();
        onEvent(await readStats());
        const effects = noEffects();
        for (const { id } of [...core.holes.values()]) core.holes.close(id, "relay-stopped", effects);
        carryOut(effects);
        await applied.catch(() => {});
        await plane.close();
        await options.journal?.clear();
        await ports.close();
        paths.close();
        onEvent({ event: "stopped" });
      })();
      return closing;
    },
  };
}

function* consentsLeft(holes: Iterable<Hole>, now: number): Iterable<readonly [HoleId, number]> {
  for (const { id, expiresAt } of holes) yield [id, expiresAt - now];
}
