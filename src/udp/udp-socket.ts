import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { addressFamily, type Endpoint, formatEndpoint, normalizeAddress } from "../core/address.ts";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";

/** A bound UDP socket that never throws once it is open. */
export interface UdpSocket {
  /** Where it is bound. */
  readonly local: Endpoint;
  /** Sends one datagram; false if it was dropped, because the send queue is full or the socket is closed. */
  send(bytes: Uint8Array, to: Endpoint): boolean;
  /** Datagrams the system refused to send (no route, firewall, too long), since the start. */
  sendErrors(): number;
  /** Bytes of receive and send buffer that the system granted. */
  buffers(): { readonly receiveBytes: number; readonly sendBytes: number };
  /** Resolves when the port is free again. */
  close(): Promise<void>;
}

/** What to bind, and who takes what arrives. */
export interface UdpSocketOptions {
  /** IP literal; `0.0.0.0` and `::` take every address. */
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  /** Called for each datagram. `bytes` belongs to the callee. */
  readonly onDatagram: (bytes: Uint8Array, from: Endpoint) => void;
  /** Kernel buffers to ask for, in bytes each; the system may grant less. Default: the system's. */
  readonly bufferBytes?: number;
  /** What to call the port in an error, with the flag that changes it; such as `punch port (--punch-port)`. */
  readonly purpose?: string;
}

/**
 * Datagrams waiting in the process beyond this are dropped: 4 MB is a second of a 32 Mbit/s stream, and what waits longer
 * comes too late for live video anyway.
 */
const sendQueueMaxBytes = 4 << 20;

/** Linux counts its own bookkeeping in and reports twice what it was asked for (socket(7), SO_RCVBUF). */
const bufferFactor = process.platform === "linux" ? 2 : 1;

/**
 * Binds a UDP socket.
 * @throws PunchcastError PORT_IN_USE, ADDRESS_UNAVAILABLE, NO_PRIVILEGE or INTERNAL
 */
export async function openUdpSocket(options: UdpSocketOptions): Promise<UdpSocket> {
  const { address, port, onDatagram, bufferBytes } = options;
  const isIpv6 = addressFamily(address) === 6;
  const socket = createSocket({
    type: isIpv6 ? "udp6" : "udp4",
    // An IPv6 socket that took IPv4 too would hide which of the two a port is free for.
    ipv6Only: isIpv6,
    // Every address here is a literal: the default look-up would cost each datagram a trip through the event loop.
    lookup: (host, _options, callback) => callback(null, host, isIpv6 ? 6 : 4),
  });
  await bind(socket, options);
  if (bufferBytes !== undefined) askForBuffers(socket, bufferBytes);
  let open = true;
  let errors = 0;
  const onSent = (error: Error | null): void => {
    if (error !== null) errors += 1;
  };
  socket.on("message", (bytes: Buffer, from: RemoteInfo) => {
    const source = from.family === "IPv6" ? normalizeAddress(from.address) : from.address;
    // Nobody can send from port 0, so an answer to it would only be an error.
    if (open && source !== undefined && from.port > 0) onDatagram(bytes, { address: source, port: from.port });
  });
  socket.on("error", () => {
    errors += 1;
  });
  const bound = socket.address();
  return {
    local: { address, port: bound.port || port },
    send(bytes, to) {
      if (!open || socket.getSendQueueSize() + bytes.length > sendQueueMaxBytes) return false;
      socket.send(bytes, to.port, to.address, onSent);
      return true;
    },
    sendErrors: () => errors,
    buffers: () => ({
      receiveBytes: socket.getRecvBufferSize() / bufferFactor,
      sendBytes: socket.getSendBufferSize() / bufferFactor,
    }),
    close: () =>
      new Promise((resolve) => {
        if (!open) return resolve();
        open = false;
        socket.close(() => resolve());
      }),
  };
}

function askForBuffers(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes);
    socket.setSendBufferSize(bytes);
  } catch {
    // Some systems refuse what Linux would cut to size. The buffers stay as they were, and `buffers` tells how large.
  }
}

function bind(socket: Socket, options: UdpSocketOptions): Promise<void> {
  const { address, port, purpose = "UDP port" } = options;
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      socket.close();
      reject(bindError(cause, formatEndpoint({ address, port }), purpose));
    };
    socket.once("error", fail);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off("error", fail);
      resolve();
    });
  });
}

function bindError(cause: Error, at: string, purpose: string): PunchcastError {
  switch (systemErrorCode(cause)) {
    case "EADDRINUSE":
      return new PunchcastError(
        "PORT_IN_USE",
        `${purpose} ${at} is in use: stop the program that has it or choose another port.`,
        cause,
      );
    case "EADDRNOTAVAIL":
    case "EINVAL":
      return new PunchcastError(
        "ADDRESS_UNAVAILABLE",
        `${purpose} ${at} cannot be bound: this host does not have that address.`,
        cause,
      );
    case "EACCES":
    case "EPERM":
      return new PunchcastError(
        "NO_PRIVILEGE",
        `${purpose} ${at} needs a right this user lacks: choose a port above 1023.`,
        cause,
      );
    default:
      return new PunchcastError("INTERNAL", `${purpose} ${at} cannot be bound: ${cause.message}.`, cause);
  }
}
