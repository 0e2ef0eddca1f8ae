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
import { checkStreams, createStream, ingestPortsOf } from "../relay/stream.ts";
import type { WireStream } from "../sdp/infer.ts";
import { createPathMtu } from "../udp/path-mtu.ts";
import { createDescriptions, type Descriptions } from "./descriptions.ts";
import { displayAddress, localAddresses } from "./local-addresses.ts";
import { createMediaDesk, type MediaDesk } from "./media-desk.ts";
import type { RelayOptions } from "./relay-options.ts";
import { createRelayPorts } from "./relay-ports.ts";
import type { ListeningStream } from "./server-events.ts";
import { describeStream, ingestComponents, startWarnings } from "./start-lines.ts";
import { createTally } from "./tally.ts";

/** A running relay. */
export interface Relay {
  /** The punch port. */
  readonly punchPort: number;
  /** The streams with their ports and URLs. */
  readonly streams: readonly ListeningStream[];
  /** How the streams are played. */
  readonly descriptions: Descriptions;
  /** What the streams carry, for those who are no viewers of its own kind. */
  readonly media: RelayMedia;
  /** Stops within a second and leaves nothing behind. */
  close(): Promise<void>;
}

/** A look at what streams carry, as far as user space sees it. */
export interface RelayMedia extends Pick<MediaDesk, "listen" | "wantKeyFrame"> {
  /** False where a plane carries media unseen. */
  readonly isSeen: boolean;
  /** What the packets show the stream to be; `undefined` while nothing comes. */
  wire(stream: string): Omit<WireStream, "name"> | undefined;
  isLive(stream: string): boolean;
  /** The addresses that are bound now. */
  addresses(): readonly string[];
}

/** How often the core ends what is over, and how often the host's addresses are read again. */
const tickMs = 1_000;
const addressesMs = 5_000;

/**
 * Starts a relay.
 * @throws PunchcastError BAD_OPTION, BAD_SDP, PORT_IN_USE, ADDRESS_UNAVAILABLE, NO_ADDRESS, NO_PRIVILEGE or UNSUPPORTED_HOST
 */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { clock = systemClock, onEvent = () => {}, limits = defaultLimits, authSecret, open } = options;
  checkStreams(options.streams, options.punchPort ?? defaultPunchPort);
  const streams = options.streams.map(createStream);
  const descriptions = createDescriptions({
    componentsOf: (name) => streams.find((stream) => stream.name === name)?.components,
    ...(options.sdp && { given: options.sdp }),
    inferred: (stream) => desk.media(stream)?.wire(clock.now()),
  });
  const early: string[] = [];
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
    streams,
    limits,
    authSecret,
    open,
    holesPerComponent: plane.holesPerComponent,
    ...(options.random && { random: options.random }),
  });
  const paths = await createPathMtu();
  const desk = createMediaDesk({
    ...{
      streams,
      core,
      clock,
      random: options.random ?? systemRandom,
      cache: plane.showsMedia && (options.cache ?? true),
    },
    described: descriptions.codecOf,
    deliver: (component, bytes, flow) => plane.deliver(component, bytes, flow),
    onRestart: (stream, component, kind) => onEvent({ event: "publisher-restarted", stream, component, kind }),
    send: ports.send,
    open: (newcomer) => change([newcomer]),
    mtuOf: paths.of,
    warn: (message) => warn(message),
  });
  const tally = createTally(streams);
  const startedAt = clock.now();
  const started = Promise.withResolvers<void>();
  let isStarted = false;
  let applied: Promise<unknown> = started.promise;
  let journalled = "";

  function carryOut({ changes, events }: Effects): void {
    const now = desk.take(changes);
    if (now.length > 0) void change(now);
    for (const event of events) {
      if (event.event === "publisher" && event.state === "moved") desk.media(event.stream)?.onMoved(event.component);
      onEvent(event);
    }
  }

  /** Has the plane change its table, at once: a hole's first packets may stand right behind the punch that opened it. */
  function change(changes: readonly ForwardingChange[]): Promise<void> {
    const done = isStarted ? plane.apply(changes) : started.promise.then(() => plane.apply(changes));
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
    for (const stream of streams) {
      for (const k of ingestComponents(stream)) {
        await ports.open({
          port: (stream.ingestPort ?? 0) + k,
          purpose: `Ingest port of stream '${stream.name}' (--ingest-port)`,
          onDatagram: (bytes, from, local) =>
            perform(core.onIngestPort(stream, k, local, from, clock.now()), bytes, from, local),
        });
      }
    }
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
      await plane.start({ punch, ingest: streams.flatMap(ingestPortsOf) }, changes);
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

  async function tellStats(): Promise<void> {
    const carried = await readPlane();
    const uptimeMs = Math.round(clock.now() - startedAt);
    onEvent({ event: "stats", uptimeMs, ...tally.report(core, carried, desk.fare), sendErrors: ports.sendErrors() });
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
    every(options.statsIntervalMs ?? 1_000, "Statistics could not be read", tellStats),
    every(addressesMs, "New addresses could not be bound", () => ports.follow(localAddresses(options.listen))),
  ];

  const host = options.publicAddress ?? displayAddress(ports.addresses());
  const listening = streams.map((stream) => describeStream(stream, host, punchPort, plane.holesPerComponent));
  const punch = formatEndpoint({ address: host, port: punchPort });
  const addresses = ports.addresses().map((address) => formatEndpoint({ address, port: punchPort }));
  onEvent({ event: "listening", punch, addresses, plane: plane.name, streams: listening });
  // What the plane has to say of this host is read after the lines that tell what was started.
  warn = (message) => onEvent({ event: "warning", message });
  for (const message of [...startWarnings(ports, streams, open), ...early]) warn(message);

  let closing: Promise<void> | undefined;
  return {
    punchPort,
    streams: listening,
    descriptions,
    media: {
      ...{ listen: desk.listen, wantKeyFrame: desk.wantKeyFrame, isSeen: plane.showsMedia },
      wire: (stream) => desk.media(stream)?.wire(clock.now()),
      isLive: (stream) => core.publishers.isLive(stream),
      addresses: ports.addresses,
    },
    close() {
      closing ??= (async () => {
        for (const stop of stopTasks) stop();
        desk.close();
        await tellStats();
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
