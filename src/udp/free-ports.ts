import { PunchcastError } from "../core/errors.ts";
import { openUdpSocket } from "./udp-socket.ts";

/**
 * The first of `count` consecutive UDP ports that are free on `address`, looking from `first` upwards in steps of the
 * next even count, so that an RTP port stays even where `first` is. Another program may still take them before they are used.
 * @throws PunchcastError PORT_IN_USE if there are none
 */
export async function findFreePorts(address: string, first: number, count: number): Promise<number> {
  for (let port = first; port + count <= 65_536; port += 2 * Math.ceil(count / 2)) {
    if (await areFree(address, port, count)) return port;
  }
  throw new PunchcastError(
    "PORT_IN_USE",
    `No ${count} UDP ports in a row are free on ${address} from ${first} on: close some programs or choose the port.`,
  );
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
