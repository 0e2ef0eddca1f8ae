import { addressFamily, normalizeAddress } from "../core/address.ts";
import { PunchcastError } from "../core/errors.ts";
import { openPortRow } from "../udp/port-row.ts";
import { resolveHost } from "../udp/route.ts";
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
  /** Closes the sockets; what was handed over before has left. */
  close(): Promise<void>;
}

/**
 * Bytes of socket buffer. A key frame of 1 MB must not wait for the event loop; the system may grant less, and does not
 * hold memory that is not used.
 */
const bufferBytes = 1 << 20;

/**
 * Plain RTP: each component from its own local port to its own remote port, as players and relays expect. Throws
 * `HOST_UNKNOWN`, `PORT_IN_USE`, or `BAD_OPTION` if the ports do not fit below 65536.
 */
export async function openRtpTransport(options: RtpTransportOptions): Promise<RtpTransport> {
  const { host, port, components, localPort, onDatagram } = options;
  if (port < 1 || port + components - 1 > 65_535) {
    const last = 65_536 - components;
    throw new PunchcastError(
      "BAD_OPTION",
      `Port ${port} leaves no room for ${components} ports: use one from 1 to ${last}.`,
    );
  }
  const [address] = await resolveHost(host);
  if (address === undefined) throw new PunchcastError("HOST_UNKNOWN", `Host '${host}' has no address: check the name.`);
  const sockets = await openPortRow({
    address: addressFamily(address) === 6 ? "::" : "0.0.0.0",
    count: components,
    bufferBytes,
    ...(localPort !== undefined && { first: localPort }),
    onDatagram: (component, bytes, from) => {
      // gpac reports from its RTCP port, others from any: the host must do.
      if (normalizeAddress(from.address) === address) onDatagram?.(component, bytes);
    },
  });
  let dropped = 0;
  return {
    address,
    localPort: sockets[0]?.local.port ?? 0,
    send(component, bytes) {
      if (sockets[component]?.send(bytes, { address, port: port + component }) !== true) dropped += 1;
    },
    sendErrors: () => sockets.reduce((sum, socket) => sum + socket.sendErrors(), dropped),
    async close() {
      await Promise.all(sockets.map((socket) => socket.close()));
    },
  };
}
