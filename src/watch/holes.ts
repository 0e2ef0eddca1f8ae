import type { Endpoint } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { type Random, randomUint32 } from "../core/random.ts";
import type { PunchEvent, PunchMachine } from "../punch/machine.ts";
import { openPunchedSocket, type PunchedSocket } from "../punch/punched-socket.ts";

/** What the holes of one viewer are made of. */
export interface HolesOptions {
  readonly relay: Endpoint;
  /** Makes one component's side of the punch. */
  readonly machineFor: (component: number) => PunchMachine;
  readonly clock: Clock;
  readonly random: Random;
  readonly onPunch: (component: number, event: PunchEvent) => void;
  readonly onMedia: (component: number, bytes: Uint8Array) => void;
}

/** The sockets of one viewer, consecutive ports: component k on base + k. */
export interface ViewerHoles {
  /** Opens sockets for more components. False if one of the ports is taken: close, and start again on another base. */
  open(components: readonly number[]): Promise<boolean>;
  get(component: number): PunchedSocket | undefined;
  all(): Iterable<PunchedSocket>;
  close(): Promise<void>;
}

/** Kernel buffers of a viewer's socket: a second of a 32 Mbit/s stream. */
const bufferBytes = 4 << 20;

/**
 * The range local ports are drawn from: above the system's services and below Linux's own ephemeral ports (32768), whose
 * short-lived sockets would now and then take one of ours.
 */
const firstPort = 20_000;
const portCount = 12_000;

/** A keeper of holes on a fresh random base port, an even one as RTP likes it (RFC 3550 §11). */
export function createViewerHoles(options: HolesOptions): ViewerHoles {
  const basePort = firstPort + 2 * (randomUint32(options.random) % (portCount / 2));
  const sockets = new Map<number, PunchedSocket>();
  let closed = false;

  async function openOne(component: number): Promise<void> {
    const socket = await openPunchedSocket({
      relay: options.relay,
      localPort: basePort + component,
      machine: options.machineFor(component),
      clock: options.clock,
      bufferBytes,
      onPunch: (event) => options.onPunch(component, event),
      onMedia: (bytes) => options.onMedia(component, bytes),
    });
    if (closed) await socket.close();
    else sockets.set(component, socket);
  }

  return {
    async open(components) {
      try {
        for (const component of components) if (!closed && !sockets.has(component)) await openOne(component);
        return true;
      } catch (error) {
        if (error instanceof PunchcastError && error.code === "PORT_IN_USE") return false;
        throw error;
      }
    },
    get: (component) => sockets.get(component),
    all: () => sockets.values(),
    async close() {
      closed = true;
      await Promise.all([...sockets.values()].map((socket) => socket.close()));
      sockets.clear();
    },
  };
}
