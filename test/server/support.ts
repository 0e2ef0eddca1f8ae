import type { Endpoint } from "../../src/core/address.ts";
import { systemClock } from "../../src/core/clock.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import { systemRandom } from "../../src/core/random.ts";
import type { PunchEvent } from "../../src/punch/machine.ts";
import { openPunchedSocket, type PunchedSocket } from "../../src/punch/punched-socket.ts";
import { createStunMachine, type StunMachineOptions } from "../../src/punch/stun-machine.ts";
import type { StreamOptions } from "../../src/relay/stream.ts";
import type { Relay } from "../../src/server/relay.ts";
import type { RelayOptions } from "../../src/server/relay-options.ts";
import { createRelay } from "../../src/server/relay-server.ts";
import type { ServerEvent } from "../../src/server/server-events.ts";
import { openUdpSocket, type UdpSocket } from "../../src/udp/udp-socket.ts";
import { publishKey, viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";

/** A socket that remembers what it got. */
export interface Peer extends UdpSocket {
  readonly got: { readonly bytes: Uint8Array; readonly from: Endpoint }[];
}

/** A socket on a free port of `address`. */
export async function openPeer(address = "127.0.0.1", port = 0): Promise<Peer> {
  const got: { bytes: Uint8Array; from: Endpoint }[] = [];
  const socket = await openUdpSocket({ address, port, onDatagram: (bytes, from) => got.push({ bytes, from }) });
  return { ...socket, got };
}

/** A port from which on `count` are free on 127.0.0.1 and ::1, below those that the system and the agents draw from. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const [a = 0, b = 0] = systemRandom.bytes(2);
    const base = 12_001 + 2 * (((a << 8) | b) % 3_500);
    if (await areFree(base, count)) return base;
  }
  throw new Error(`no ${count} free ports in a row`);
}

async function areFree(base: number, count: number): Promise<boolean> {
  for (let port = base; port < base + count; port += 1) {
    for (const address of ["127.0.0.1", "::1"]) {
      try {
        await (await openPeer(address, port)).close();
      } catch (error) {
        if (error instanceof PunchcastError && error.code === "PORT_IN_USE") return false;
        throw error;
      }
    }
  }
  return true;
}

/** A relay on loopback, with everything it told. */
export interface TestRelay extends Relay {
  readonly events: ServerEvent[];
  /** The last stats told; empty ones before the first. */
  stats(): ServerEvent & { event: "stats" };
  /** The punch port on this address. */
  punchAt(address?: string): Endpoint;
  /** The port of component 0 of the first stream. */
  readonly ingestPort: number;
}

const noStats = { event: "stats", uptimeMs: 0, streams: [], refused: {}, punches: {}, sendErrors: 0 } as const;

/** A stream of the tests. */
export function streamOptions(ingestPort: number | undefined, more: Partial<StreamOptions> = {}): StreamOptions {
  return { name: "live", components: 4, ingestPort, from: [], viewKey, publishKey, ...more };
}

/** Starts a relay on 127.0.0.1 (or every address, with `listen: undefined`) on free ports. */
export async function startRelay(options: Partial<RelayOptions> = {}): Promise<TestRelay> {
  const events: ServerEvent[] = [];
  const ingestPort = await freePorts(4);
  const relay = await createRelay({
    streams: [streamOptions(ingestPort)],
    ...(!("listen" in options) && { listen: "127.0.0.1" }),
    punchPort: 0,
    statsIntervalMs: 50,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return {
    ...relay,
    get streams() {
      return relay.streams;
    },
    events,
    ingestPort: relay.streams[0]?.ingestPorts[0] ?? 0,
    punchAt: (address = "127.0.0.1") => ({ address, port: relay.punchPort }),
    stats: () => events.findLast((event) => event.event === "stats") ?? noStats,
  };
}

/** A viewer or publisher of one component with a real socket. */
export interface Party extends PunchedSocket {
  readonly punches: PunchEvent[];
  readonly media: Uint8Array[];
}

/** Joins and waits for the relay's yes. */
export async function join(relay: Endpoint, options: Partial<StunMachineOptions> = {}): Promise<Party> {
  const punches: PunchEvent[] = [];
  const media: Uint8Array[] = [];
  const session = Buffer.from(systemRandom.bytes(8)).toString("hex");
  const role = options.role ?? "viewer";
  const password = role === "viewer" ? viewKey : publishKey;
  const socket = await openPunchedSocket({
    relay,
    localPort: 0,
    machine: createStunMachine({
      ...{ role, component: 0, session, username: "live", password, random: systemRandom },
      ...options,
    }),
    clock: systemClock,
    onPunch: (event) => punches.push(event),
    onMedia: (bytes) => media.push(bytes),
  });
  try {
    await until("an answer to the punch", () => punches.length > 0);
  } catch (error) {
    await socket.close();
    throw error;
  }
  return { ...socket, punches, media };
}

/** Runs `body` with what has to be closed after it, last first, whatever happens. */
export async function withCleanup(
  body: (use: <T extends { close(): Promise<void> }>(thing: T) => T) => Promise<void>,
): Promise<void> {
  const used: { close(): Promise<void> }[] = [];
  try {
    await body((thing) => {
      used.push(thing);
      return thing;
    });
  } finally {
    for (const thing of used.reverse()) await thing.close();
  }
}
