import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { PunchcastError } from "../core/errors.ts";
import { openUdpSocket, type UdpSocket } from "./udp-socket.ts";

/** What row of sockets to open. */
export interface PortRowOptions {
  /** IP literal to bind. */
  readonly address: string;
  readonly count: number;
  /** The first port. Default: wherever a row is free. */
  readonly first?: number;
  /** Kernel buffers to ask for, in bytes. */
  readonly bufferBytes?: number;
  /** `index`: which of the row's sockets it came to. */
  readonly onDatagram: (index: number, bytes: Uint8Array, from: Endpoint) => void;
}

/** Ports the system offers are tried as the first of a row this often. Rows of four fail now and then, twenty never all do. */
const attempts = 20;

/**
 * Opens sockets on consecutive ports.
 * @throws PunchcastError PORT_IN_USE, ADDRESS_UNAVAILABLE or NO_PRIVILEGE
 */
export async function openPortRow(options: PortRowOptions): Promise<UdpSocket[]> {
  const { address, count, first } = options;
  for (let attempt = 1; ; attempt += 1) {
    const sockets: UdpSocket[] = [];
    try {
      for (let index = 0; index < count; index += 1) {
        const base = sockets[0]?.local.port ?? first ?? 0;
        sockets.push(await openOne(options, index, base === 0 ? 0 : base + index));
      }
      return sockets;
    } catch (error) {
      await Promise.all(sockets.map((socket) => socket.close()));
      const isTaken =
        error instanceof PunchcastError && (error.code === "PORT_IN_USE" || error.code === "ADDRESS_UNAVAILABLE");
      if (!isTaken || first !== undefined) throw error;
      if (attempt < attempts) continue;
      const where = formatEndpoint({ address, port: 0 });
      throw new PunchcastError(
        "PORT_IN_USE",
        `No ${count} UDP ports in a row are free on ${where}: close some programs.`,
        error,
      );
    }
  }
}

function openOne(
  { address, bufferBytes, onDatagram }: PortRowOptions,
  index: number,
  port: number,
): Promise<UdpSocket> {
  return openUdpSocket({
    address,
    port,
    onDatagram: (bytes, from) => onDatagram(index, bytes, from),
    ...(bufferBytes !== undefined && { bufferBytes }),
  });
}
