import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { type Clock, scheduleEvery, systemClock } from "../core/clock.ts";
import { defaultPunchPort } from "../core/punch-url.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { choosePlane, type PlaneChoice } from "../data-plane/choose-plane.ts";
import { createPlane, parseEngine } from "../data-plane/create-plane.ts";
import type { EngineName, PlaneCounters } from "../data-plane/data-plane.ts";
import { createMemorySwitches, type SwitchStore } from "../data-plane/nat/switches.ts";
import type { OpenOptions } from "../relay/bare-punch.ts";
import { type Effects, noEffects } from "../relay/events.ts";
import type { ForwardingChange, HoleId } from "../relay/forwarding.ts";
import type { Hole } from "../relay/holes.ts";
import { defaultLimits, type Limits } from "../relay/limits.ts";
import { createRelayCore, type Decision } from "../relay/relay-core.ts";
import type { Snapshot } from "../relay/saved.ts";
import { checkStreams, createStream, ingestPortsOf, type StreamOptions } from "../relay/stream.ts";
import { createPathMtu } from "../udp/path-mtu.ts";
import { createDescriptions, type Descriptions } from "./descriptions.ts";
import type { Sdp } from "../sdp/session.ts";
import { displayAddress, localAddresses } from "./local-addresses.ts";
import { createMediaDesk } from "./media-desk.ts";
import { createRelayPorts } from "./relay-ports.ts";
import type { ListeningStream, ServerEvent } from "./server-events.ts";
import type { DescribedCodec } from "./stream-media.ts";
import { describeStream, ingestComponents, startWarnings } from "./start-lines.ts";
import { createTally } from "./tally.ts";

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

/** A running relay. */
export interface Relay {
  /** The punch port. */
  readonly punchPort: number;
  /** The streams with their ports and URLs. */
  readonly streams: readonly ListeningStream[];
  /** How the streams are played. */
  readonly descriptions: Descriptions;
  /** Stops within a second and leaves nothing behind. */
  close(): Promise<void>;
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
    ...{ streams, core, clock, random: options.random ?? systemRandom, cache: options.cache ?? true },
    described: (stream, component, payloadType) => codecIn(descriptions.told(stream), component, payloadType),
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
    } else if (verdict.kind === "feedback") desk.onFeedback(verdict.hole, bytes);
    else {
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
    onEvent({ event: "stats", uptimeMs, ...tally.report(core, carried), sendErrors: ports.sendErrors() });
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

/** What an SDP says of a payload type on a component: track i is component 2i. */
function codecIn(sdp: Sdp | undefined, component: number, payloadType: number): DescribedCodec | undefined {
  const media = sdp?.media[component >> 1];
  const { codec, clockRate } = media?.formats.find((format) => format.payloadType === payloadType) ?? {};
  if (media === undefined || codec === undefined || clockRate === undefined) return undefined;
  return { kind: media.kind === "video" ? "video" : "audio", codec, clockRate };
}
