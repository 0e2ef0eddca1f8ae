import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIP } from "node:net";
import { addressFamily, normalizeAddress } from "../core/address.ts";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";
import type { SendTransport } from "./sender.ts";

/** What plain RTP over UDP needs to know. */
export interface RtpTransportOptions {
  /** IP literal or name of the receiving host. */
  readonly host: string;
  /** UDP port of component 0; component k goes to `port` + k. 1-65535. */
  readonly port: number;
  /** How many components there are: two for each track. */
  readonly components: number;
  /** First of as many consecutive local ports. Default: any that are free. */
  readonly localPort?: number;
  /** Called with what the receiving host sends back to a component. */
  readonly onDatagram?: (component: number, bytes: Uint8Array) => void;
}

/** Open sockets to one receiver. */
export interface RtpTransport extends SendTransport {
  /** The receiver's address, after the one look-up of its name. */
  readonly address: string;
  /** First of the consecutive local ports. */
  readonly localPort: number;
  /** Datagrams that the system did not take: no route, buffers full, too long. */
  sendErrors(): number;
  /** Resolves when what was handed over has left and the sockets are closed. */
  close(): Promise<void>;
}

/** Ports offered by the system are tried as the first of a row so often. Rows of four fail now and then, ten never all do. */
const portAttempts = 10;

/**
 * Bytes of socket buffer. A key frame of 1 MB must not wait for the event loop; the system may grant less, and does not
 * hold memory that is not used.
 */
const sendBufferBytes = 1 << 20;

/**
 * Plain RTP: each component from its own local port to its own remote port, as players and relays expect. Throws
 * `HOST_UNKNOWN`, `PORT_IN_USE`, or `BAD_OPTION` if the ports do not fit below 65536.
 */
export async function openRtpTransport(options: RtpTransportOptions): Promise<RtpTransport> {
  const { host, port, components, onDatagram } = options;
  if (port < 1 || port + components - 1 > 65_535) {
    const last = 65_536 - components;
    throw new PunchcastError(
      "BAD_OPTION",
      `Port ${port} leaves no room for ${components} ports: use one from 1 to ${last}.`,
    );
  }
  const target = await resolveHost(host);
  const address = normalizeAddress(target) ?? target;
  const sockets = await bindRow(target, components, options.localPort);
  let closed = false;
  let failed = 0;
  let pending = 0;
  let onDrained = (): void => {};
  sockets.forEach((socket, component) => {
    socket.on("error", () => failed++);
    socket.on("message", (bytes, from) => {
      // gpac reports from its RTCP port, others from any: the host must do.
      if (normalizeAddress(from.address) === address) onDatagram?.(component, bytes);
    });
  });
  return {
    address,
    localPort: sockets[0]?.address().port ?? 0,
    send: (component, bytes) => {
      const socket = sockets[component];
      if (socket === undefined || closed) {
        failed++;
        return;
      }
      pending++;
      socket.send(bytes, port + component, target, (error) => {
        if (error !== null) failed++;
        pending--;
        if (pending === 0) onDrained();
      });
    },
    sendErrors: () => failed,
    close: async () => {
      if (closed) return;
      closed = true;
      if (pending > 0) {
        await new Promise<void>((resolve) => {
          onDrained = resolve;
        });
      }
      await Promise.all(sockets.map(closeSocket));
    },
  };
}

/** A literal stays as it is: a zone (`fe80::1%eth0`) is part of the way there. */
async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  const found = await lookup(host).catch((error: unknown) => {
    throw new PunchcastError(
      "HOST_UNKNOWN",
      `The host ${host} is not known: check its name, or give its address.`,
      error,
    );
  });
  return found.address;
}

async function bindRow(address: string, count: number, localPort: number | undefined): Promise<Socket[]> {
  for (let attempt = 1; ; attempt++) {
    const sockets: Socket[] = [];
    try {
      for (let i = 0; i < count; i++) {
        const first = sockets[0]?.address().port ?? localPort ?? 0;
        sockets.push(await bindSocket(address, first === 0 ? 0 : first + i));
      }
      return sockets;
    } catch (error) {
      await Promise.all(sockets.map(closeSocket));
      if (localPort === undefined && attempt < portAttempts) continue;
      const wanted = localPort === undefined ? `${count} free ports in a row` : `${count} ports from ${localPort}`;
      const why = systemErrorCode(error) ?? "unknown error";
      throw new PunchcastError("PORT_IN_USE", `Cannot bind ${wanted} (${why}): choose others.`, error);
    }
  }
}

async function bindSocket(address: string, port: number): Promise<Socket> {
  const family = addressFamily(address);
  const socket = createSocket({
    type: family === 6 ? "udp6" : "udp4",
    sendBufferSize: sendBufferBytes,
    // Only literals come here: without this each datagram would go through the resolver.
    lookup: (literal, _options, callback) => callback(null, literal, family),
  });
  try {
    const listening = once(socket, "listening");
    socket.bind(port);
    await listening;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.close(() => resolve());
  });
}
