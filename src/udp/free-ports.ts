import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { PunchcastError } from "../core/errors.ts";
import { openUdpSocket } from "./udp-socket.ts";

/**
 * The first of `count` consecutive UDP ports that are free on `address`, looking from `first` upwards in steps of the
 * next even count, so that an RTP port stays even where `first` is. Another program may still take them before they are used.
 * @throws PunchcastError PORT_IN_USE if there are none
 */
export function findFreePorts(address: string, first: number, count: number): Promise<number> {
  return findRow(address, first, count, (port) => areFree(address, port, count));
}

/** Ports that are to be opened by other programs, and that no other holder chooses meanwhile. */
export interface PortHolder {
  /**
   * As `findFreePorts`, and passing over what a holder on this host has found before, in this process or another.
   * @throws PunchcastError PORT_IN_USE if there are none
   */
  find(first: number, count: number): Promise<number>;
  /** Lets go of all that was found. */
  close(): Promise<void>;
}

/**
 * Holds no ports yet. A UDP port cannot be held for another program, so its namesake of TCP is, on the same address: the
 * system gives it to one process only, in the same network namespace, and takes it back however that process ends. Who
 * connects is hung up on.
 */
export function createPortHolder(address: string): PortHolder {
  const held: Server[] = [];
  return {
    find: (first, count) =>
      findRow(address, first, count, async (port) => {
        const row = await holdNamesakes(address, port, count);
        const isFree = row !== undefined && (await areFree(address, port, count));
        if (isFree) held.push(...row);
        else await closeAll(row ?? []);
        return isFree;
      }),
    close: () => closeAll(held.splice(0)),
  };
}

async function findRow(
  address: string,
  first: number,
  count: number,
  take: (port: number) => Promise<boolean>,
): Promise<number> {
  for (let port = first; port + count <= 65_536; port += 2 * Math.ceil(count / 2)) {
    if (await take(port)) return port;
  }
  throw new PunchcastError(
    "PORT_IN_USE",
    `No ${count} UDP ports in a row are free on ${address} from ${first} on: close some programs or choose the port.`,
  );
}

/** `undefined` if one of them is taken. */
async function holdNamesakes(address: string, first: number, count: number): Promise<Server[] | undefined> {
  const row: Server[] = [];
  for (let port = first; port < first + count; port += 1) {
    const server = createServer((socket) => socket.destroy()).unref();
    // What fails later on, such as an accept without file descriptors left, is no reason to end anything.
    server.on("error", () => {});
    try {
      const listening = once(server, "listening");
      server.listen({ host: address, port, exclusive: true });
      await listening;
      row.push(server);
    } catch (error) {
      // Where TCP is forbidden altogether, ports are chosen by UDP alone.
      if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) continue;
      await closeAll(row);
      return undefined;
    }
  }
  return row;
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
}

async function areFree(address: string, first: number, count: number): Promise<boolean> {
  for (let port = first; port < first + count; port += 1) {
    try {
      const socket = await openUdpSocket({ address, port, onDatagram: () => {} });
      await socket.close();
    } catch {
      return false;
    }
  }
  return true;
}
