import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { addressFamily, type Endpoint, formatEndpoint } from "../core/address.ts";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";

/** A UDP socket with one other side: it hears only that one, and hears of it when nobody is there. */
export interface ConnectedSocket {
  /** Sends one datagram; false if it was dropped, because the send queue is full or the socket is closed. */
  send(bytes: Uint8Array): boolean;
  /** Resolves when the port is free again. */
  close(): Promise<void>;
}

/** Whom to connect to, and who takes what comes. */
export interface ConnectedSocketOptions {
  readonly to: Endpoint;
  /** Called for each datagram from there. `bytes` belongs to the callee. */
  readonly onDatagram: (bytes: Uint8Array) => void;
  /**
   * A datagram sent before this came to a port that nobody listens on (ICMP port unreachable): on this host at once, from
   * elsewhere if no firewall is between. The next datagram may be lost with it.
   */
  readonly onRefused?: () => void;
  /** How many routers a datagram to a multicast group may pass, 1-255. Default: 1, the system's. */
  readonly multicastTtl?: number;
}

/** As for every socket here: a second of a 32 Mbit/s stream. */
const sendQueueMaxBytes = 4 << 20;

/**
 * Opens a socket on a free port and connects it.
 * @throws PunchcastError ADDRESS_UNAVAILABLE if there is no way to that address
 */
export async function openConnectedSocket(options: ConnectedSocketOptions): Promise<ConnectedSocket> {
  const { to, onDatagram, onRefused = () => {}, multicastTtl } = options;
  const socket = createSocket(addressFamily(to.address) === 6 ? "udp6" : "udp4");
  const connected = once(socket, "connect");
  socket.connect(to.port, to.address);
  try {
    await connected;
    if (multicastTtl !== undefined) socket.setMulticastTTL(multicastTtl);
  } catch (cause) {
    socket.close();
    throw new PunchcastError(
      "ADDRESS_UNAVAILABLE",
      `This host has no way to ${formatEndpoint(to)} (${systemErrorCode(cause) ?? cause}): check the address and the network.`,
      cause,
    );
  }
  return follow(socket, onDatagram, onRefused);
}

function follow(
  socket: Socket,
  onDatagram: ConnectedSocketOptions["onDatagram"],
  onRefused: () => void,
): ConnectedSocket {
  let open = true;
  // The system tells of a refusal at the next call of whichever kind.
  const look = (error: Error | null): void => {
    if (open && systemErrorCode(error) === "ECONNREFUSED") onRefused();
  };
  socket.on("error", look);
  socket.on("message", (bytes: Buffer) => {
    if (open) onDatagram(bytes);
  });
  return {
    send(bytes) {
      if (!open || socket.getSendQueueSize() + bytes.length > sendQueueMaxBytes) return false;
      socket.send(bytes, look);
      return true;
    },
    close: () =>
      new Promise((resolve) => {
        if (!open) return resolve();
        open = false;
        socket.close(() => resolve());
      }),
  };
}
