import { addressFamily, addressToBytes, type Endpoint } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import type { StreamCache } from "../media/stream-cache.ts";
import { classifyDatagram } from "../rtp/demux.ts";
import { openConnectedSocket } from "../udp/connected-socket.ts";
import { fullestReceiveQueue } from "../udp/receive-queues.ts";
import { createLateStart, type LateStart } from "./late-start.ts";

/** A place where the stream's packets go. */
export interface Output {
  /** Hands a packet over. `bytes` may be kept, and must not be changed afterwards. */
  deliver(component: number, bytes: Uint8Array): void;
  close(): Promise<void>;
}

/** What an output by UDP is made of. */
export interface UdpOutputOptions {
  /** Component k goes to this port + k. */
  readonly to: Endpoint;
  readonly components: readonly number[];
  /** How many routers packets to a multicast group may pass, 1-255. Default: 1. */
  readonly multicastTtl?: number;
  /** Takes the RTCP that comes back. */
  readonly onFeedback?: (component: number, bytes: Uint8Array) => void;
  /** What a player on this host that comes late is given first. Default: nothing, it gets what comes from then on. */
  readonly cache?: StreamCache | undefined;
  /** What goes out instead of a packet; `undefined`: nothing. Default: the packet. */
  readonly filter?: (bytes: Uint8Array) => Uint8Array | undefined;
  readonly clock: Clock;
}

/**
 * What may lie unread in a player's socket while it is given what it missed: three quarters of the buffer that Linux gives
 * a socket which asks for none (212,992 bytes, net.core.rmem_default), so that the live packets fit in too.
 */
const windowBytes = 160 << 10;

/**
 * Opens the way to a program: one socket a component, so that it can tell the sources apart and its RTCP finds back.
 * @throws PunchcastError BAD_OPTION if there is no room for the ports, ADDRESS_UNAVAILABLE
 */
export async function openUdpOutput(options: UdpOutputOptions): Promise<Output> {
  const { to, components, onFeedback = () => {}, multicastTtl, cache, clock, filter } = options;
  const span = Math.max(...components) + 1;
  if (to.port + span > 65_536) {
    throw new PunchcastError("BAD_OPTION", `Port ${to.port} leaves no room for ${span} ports: choose a lower one.`);
  }
  let lateStart: LateStart | undefined;
  const sockets = await Promise.all(
    components.map(async (component) => {
      const socket = await openConnectedSocket({
        to: { address: to.address, port: to.port + component },
        onDatagram: (bytes) => {
          if (classifyDatagram(bytes) === "rtcp") onFeedback(component, bytes);
        },
        onRefused: () => lateStart?.refused(component),
        ...(multicastTtl !== undefined && isMulticast(to.address) && { multicastTtl }),
      });
      return [component, socket] as const;
    }),
  );
  const byComponent = new Map(sockets);
  const send = (component: number, bytes: Uint8Array): void => {
    const passed = filter === undefined ? bytes : filter(bytes);
    if (passed !== undefined) byComponent.get(component)?.send(passed);
  };
  // Elsewhere nobody may tell that a port is closed, and on Windows this host does not either.
  if (cache !== undefined && isLoopback(to.address) && process.platform !== "win32") {
    const ports = new Set(components.map((component) => to.port + component));
    const room = async (): Promise<number> => Math.max(0, windowBytes - ((await fullestReceiveQueue(ports)) ?? 0));
    lateStart = createLateStart({ cache, send, room, clock });
  }
  return {
    deliver: lateStart?.deliver ?? send,
    async close() {
      lateStart?.close();
      await Promise.all([...byComponent.values()].map((socket) => socket.close()));
    },
  };
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291 §2.7). */
function isMulticast(address: string): boolean {
  const [first = 0] = addressToBytes(address) ?? [];
  return addressFamily(address) === 6 ? first === 0xff : first >= 224 && first <= 239;
}
