import type { Endpoint } from "../core/address.ts";
import { type ErrorCode, PunchcastError } from "../core/errors.ts";
import { openUdpSocket, type UdpSocket, type UdpSocketOptions } from "../udp/udp-socket.ts";

/** One UDP port on each of the host's addresses. */
export interface RelayPort {
  readonly port: number;
  /** What the port is for, in errors: `punch port (--punch-port)`. */
  readonly purpose: string;
  readonly onDatagram: (bytes: Uint8Array, from: Endpoint, local: Endpoint) => void;
}

/** All sockets of a relay. */
export interface RelayPorts {
  /**
   * Opens `port` on every address.
   * @returns the port, which was chosen here if 0 was asked for
   * @throws PunchcastError PORT_IN_USE, ADDRESS_UNAVAILABLE, NO_ADDRESS or NO_PRIVILEGE
   */
  open(port: RelayPort): Promise<number>;
  /** Closes `port` on every address; nothing happens if it is not open. */
  closePort(port: number): Promise<void>;
  /** Opens every port on the addresses that the host has gained, and forgets those it has lost. */
  follow(addresses: readonly string[]): Promise<void>;
  /** Sends from one of the sockets; false if it was dropped or there is no such socket (any more). */
  send(local: Endpoint, remote: Endpoint, bytes: Uint8Array): boolean;
  /** The addresses that are bound now. */
  addresses(): readonly string[];
  /** The smallest kernel buffers that any socket was granted, in bytes. */
  smallestBuffers(): { readonly receiveBytes: number; readonly sendBytes: number };
  /** Datagrams the system refused to send. */
  sendErrors(): number;
  /** Closes everything. */
  close(): Promise<void>;
}

/**
 * Kernel buffers of each socket. 4 MB holds a second of a 32 Mbit/s stream, enough for the worst pause of a busy host;
 * more would only hide that the relay can't keep up.
 */
export const socketBufferBytes: number = 4 << 20;

/** How often the system is asked for a port that is free on every address; two in a row that are not are rare already. */
const portChoicesMax = 10;

/** Makes the sockets' keeper for the given addresses; nothing is bound until `open`. `openSocket` makes each socket. */
export function createRelayPorts(
  initialAddresses: readonly string[],
  openSocket: (options: UdpSocketOptions) => Promise<UdpSocket> = openUdpSocket,
): RelayPorts {
  const byAddress = new Map<string, Map<number, UdpSocket>>(initialAddresses.map((address) => [address, new Map()]));
  let ports: readonly RelayPort[] = [];
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();

  /** A port that opens while addresses are followed must not miss the new ones. */
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  }

  async function openAt(address: string, sockets: Map<number, UdpSocket>, want: RelayPort): Promise<number> {
    const { port, purpose, onDatagram } = want;
    const socket: UdpSocket = await openSocket({
      address,
      port,
      purpose,
      bufferBytes: socketBufferBytes,
      onDatagram: (bytes, from) => onDatagram(bytes, from, socket.local),
    });
    sockets.set(socket.local.port, socket);
    return socket.local.port;
  }

  /** Opens the port on all addresses or, if it fails, on none. */
  async function openEverywhere(want: RelayPort): Promise<number> {
    let chosen = want.port;
    for (const [address, sockets] of byAddress) {
      try {
        chosen = await openAt(address, sockets, { ...want, port: chosen });
      } catch (error) {
        if (hasCode(error, "ADDRESS_UNAVAILABLE") && byAddress.size > 1) {
          // One that is not ready yet must not hold up the others: `follow` takes it in once it is.
          byAddress.delete(address);
          await closeAll(sockets.values());
          continue;
        }
        await closeEverywhere(chosen);
        throw error;
      }
    }
    return chosen;
  }

  async function closeEverywhere(port: number): Promise<void> {
    await Promise.all([...byAddress.values()].map((sockets) => closeOne(sockets, port)));
  }

  const every = (): UdpSocket[] => [...byAddress.values()].flatMap((sockets) => [...sockets.values()]);

  async function openChosen(want: RelayPort): Promise<number> {
    if (byAddress.size === 0) {
      throw new PunchcastError("NO_ADDRESS", "This host has no IP address to listen on: bring a network interface up.");
    }
    for (let attempt = 1; ; attempt += 1) {
      try {
        const chosen = await openEverywhere(want);
        ports = [...ports, { ...want, port: chosen }];
        return chosen;
      } catch (error) {
        // A port that the system chose for one address can be taken on the next: then it chooses again.
        if (want.port !== 0 || attempt === portChoicesMax || !hasCode(error, "PORT_IN_USE")) throw error;
      }
    }
  }

  async function followAddresses(addresses: readonly string[]): Promise<void> {
    for (const [address, sockets] of byAddress) {
      if (addresses.includes(address)) continue;
      byAddress.delete(address);
      await closeAll(sockets.values());
    }
    for (const address of addresses) {
      if (byAddress.has(address)) continue;
      const sockets = new Map<number, UdpSocket>();
      try {
        for (const port of ports) await openAt(address, sockets, port);
      } catch (error) {
        await closeAll(sockets.values());
        // An IPv6 address that is still being checked for duplicates cannot be bound yet: the next look will find it ready.
        if (error instanceof PunchcastError) continue;
        throw error;
      }
      if (closed) await closeAll(sockets.values());
      else byAddress.set(address, sockets);
    }
  }

  return {
    open: (want) => inTurn(() => openChosen(want)),

    closePort: (port) =>
      inTurn(async () => {
        ports = ports.filter((open) => open.port !== port);
        await closeEverywhere(port);
      }),

    follow: (addresses) => inTurn(() => followAddresses(addresses)),

    send: (local, remote, bytes) => byAddress.get(local.address)?.get(local.port)?.send(bytes, remote) ?? false,
    addresses: () => [...byAddress.keys()],

    smallestBuffers() {
      const buffers = every().map((socket) => socket.buffers());
      return {
        receiveBytes: Math.min(...buffers.map(({ receiveBytes }) => receiveBytes)),
        sendBytes: Math.min(...buffers.map(({ sendBytes }) => sendBytes)),
      };
    },

    sendErrors: () => every().reduce((sum, socket) => sum + socket.sendErrors(), 0),

    async close() {
      closed = true;
      const sockets = every();
      byAddress.clear();
      await closeAll(sockets);
    },
  };
}

async function closeOne(sockets: Map<number, UdpSocket>, port: number): Promise<void> {
  const socket = sockets.get(port);
  sockets.delete(port);
  await socket?.close();
}

async function closeAll(sockets: Iterable<UdpSocket>): Promise<void> {
  await Promise.all([...sockets].map((socket) => socket.close()));
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof PunchcastError && error.code === code;
}
