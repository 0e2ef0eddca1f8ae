import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { type Clock, scheduleEvery, systemClock } from "../core/clock.ts";
import { defaultPunchPort, formatPunchUrl } from "../core/punch-url.ts";
import type { Random } from "../core/random.ts";
import type { DataPlaneName } from "../data-plane/data-plane.ts";
import { createUserspacePlane } from "../data-plane/userspace/userspace-plane.ts";
import type { OpenOptions } from "../relay/bare-punch.ts";
import { type Effects, noEffects } from "../relay/events.ts";
import type { ComponentId } from "../relay/forwarding.ts";
import { defaultLimits, type Limits } from "../relay/limits.ts";
import { createRelayCore, type Decision } from "../relay/relay-core.ts";
import { checkStreams, createStream, type Stream, type StreamOptions } from "../relay/stream.ts";
import { displayAddress, localAddresses } from "./local-addresses.ts";
import { createRelayPorts, type RelayPorts, socketBufferBytes } from "./relay-ports.ts";
import type { ListeningStream, ServerEvent } from "./server-events.ts";
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
  readonly plane?: DataPlaneName;
  /** How often `stats` is told, in ms. Default 1000. */
  readonly statsIntervalMs?: number;
  readonly onEvent?: (event: ServerEvent) => void;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: the system's. */
  readonly random?: Random;
}

/** A running relay. */
export interface Relay {
  /** The punch port. */
  readonly punchPort: number;
  /** The streams with their ports and URLs. */
  readonly streams: readonly ListeningStream[];
  /** Stops within a second and leaves nothing behind. */
  close(): Promise<void>;
}

/** How often the core ends what is over, and how often the host's addresses are read again. */
const tickMs = 1_000;
const addressesMs = 5_000;

/**
 * Starts a relay.
 * @throws PunchcastError BAD_OPTION, PORT_IN_USE, ADDRESS_UNAVAILABLE, NO_ADDRESS or NO_PRIVILEGE
 */
export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { clock = systemClock, onEvent = () => {}, limits = defaultLimits, authSecret, open } = options;
  checkStreams(options.streams, options.punchPort ?? defaultPunchPort);
  const streams = options.streams.map(createStream);
  const core = createRelayCore({
    streams,
    limits,
    authSecret,
    open,
    ...(options.random && { random: options.random }),
  });
  const ports = createRelayPorts(localAddresses(options.listen));
  const plane = createUserspacePlane((local, remote, bytes) => ports.send(local, remote, bytes));
  const tally = createTally(streams);
  const startedAt = clock.now();
  let applied: Promise<void> = Promise.resolve();

  function carryOut({ changes, events }: Effects): void {
    if (changes.length > 0) {
      applied = applied
        .then(() => plane.apply(changes))
        .catch((error: unknown) =>
          onEvent({ event: "warning", message: `The forwarding table could not be changed: ${error}` }),
        );
    }
    for (const event of events) onEvent(event);
  }

  function perform({ verdict, effects }: Decision, bytes: Uint8Array, from: Endpoint, local: Endpoint): void {
    if (verdict.kind === "media") {
      tally.countIn(verdict.component, bytes.length);
      plane.deliver(verdict.component, bytes);
    } else if (verdict.kind === "feedback") {
      ports.send(verdict.flow.local, verdict.flow.publisher, bytes);
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

  const punchPort = await openPorts().catch(async (error: unknown) => {
    await ports.close();
    throw error;
  });

  async function tellStats(): Promise<void> {
    const counters = await plane.readCounters();
    const uptimeMs = Math.round(clock.now() - startedAt);
    onEvent({ event: "stats", uptimeMs, ...tally.report(core, counters.components), sendErrors: ports.sendErrors() });
  }

  const warn = (message: string): void => onEvent({ event: "warning", message });
  const stopTasks = [
    scheduleEvery(clock, tickMs, () => carryOut(core.tick(clock.now()))),
    scheduleEvery(clock, options.statsIntervalMs ?? 1_000, () => {
      tellStats().catch((error: unknown) => warn(`Statistics could not be read: ${error}`));
    }),
    scheduleEvery(clock, addressesMs, () => {
      ports
        .follow(localAddresses(options.listen))
        .catch((error: unknown) => warn(`New addresses could not be bound: ${error}`));
    }),
  ];

  const host = options.publicAddress ?? displayAddress(ports.addresses());
  const listening = streams.map((stream) => describe(stream, host, punchPort));
  const punch = formatEndpoint({ address: host, port: punchPort });
  const addresses = ports.addresses().map((address) => formatEndpoint({ address, port: punchPort }));
  onEvent({ event: "listening", punch, addresses, plane: plane.name, streams: listening });
  for (const message of startWarnings(ports, streams, open)) warn(message);

  let closing: Promise<void> | undefined;
  return {
    punchPort,
    streams: listening,
    close() {
      closing ??= (async () => {
        for (const stop of stopTasks) stop();
        await tellStats();
        const effects = noEffects();
        for (const { id } of [...core.holes.values()]) core.holes.close(id, "relay-stopped", effects);
        carryOut(effects);
        await applied;
        await plane.close();
        await ports.close();
        onEvent({ event: "stopped" });
      })();
      return closing;
    },
  };
}

function ingestComponents(stream: Stream): readonly number[] {
  return stream.ingestPort === undefined ? [] : stream.componentIds.map((_: ComponentId, k) => k);
}

function describe(stream: Stream, host: string, port: number): ListeningStream {
  const { name, components, viewKey, publishKey, ingestPort = 0 } = stream;
  return {
    name,
    components,
    ingestPorts: ingestComponents(stream).map((k) => ingestPort + k),
    watchUrl: formatPunchUrl({ host, port, stream: name, key: viewKey }),
    publishUrl: formatPunchUrl({ host, port, stream: name, key: publishKey }),
  };
}

/** Below this a key of one's own is told to be weak: eight random letters hold against guessing over the network for years. */
const weakKeyLength = 8;

function startWarnings(ports: RelayPorts, streams: readonly Stream[], open: OpenOptions | undefined): string[] {
  const warnings: string[] = [];
  const { receiveBytes, sendBytes } = ports.smallestBuffers();
  const granted = Math.min(receiveBytes, sendBytes);
  if (granted < socketBufferBytes) {
    const want = socketBufferBytes;
    warnings.push(
      `The kernel grants socket buffers of ${granted >> 10} KiB only, so bursts may be lost: ` +
        `sudo sysctl -w net.core.rmem_max=${want} net.core.wmem_max=${want}`,
    );
  }
  for (const { name, viewKey, publishKey } of streams) {
    if (Math.min(viewKey.length, publishKey.length) >= weakKeyLength) continue;
    warnings.push(`A key of stream '${name}' is easily guessed: take ${weakKeyLength} random characters or more.`);
  }
  if (open !== undefined) {
    const who = open.from.length === 0 ? "anyone" : "the sources allowed by --open-from";
    warnings.push(
      `Bare punches are on: ${who} can watch without a key, and whoever can forge a source address can point the stream ` +
        "at a victim. Use it in trusted networks only.",
    );
  }
  return warnings;
}
