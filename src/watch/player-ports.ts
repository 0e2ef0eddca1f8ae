import type { Endpoint } from "../core/address.ts";
import { PunchcastError } from "../core/errors.ts";
import { classifyDatagram } from "../rtp/demux.ts";
import { findFreePorts } from "../udp/free-ports.ts";
import { openUdpSocket } from "../udp/udp-socket.ts";

/** The way from the agent to a player on this host and back. */
export interface PlayerPorts {
  /** Component k goes to this port + k of 127.0.0.1. */
  readonly basePort: number;
  /** Hands a packet to the player. */
  deliver(component: number, bytes: Uint8Array): void;
  close(): Promise<void>;
}

const loopback = "127.0.0.1";

/** Where players look first: RTP's registered port (RFC 3551 §8). */
const firstBasePort = 5004;

/**
 * Opens the way to a player: one socket a component, so that the player can tell the sources apart and its RTCP finds back.
 * `onFeedback` takes the RTCP that the player sends.
 */
export async function openPlayerPorts(options: {
  readonly components: readonly number[];
  /** `undefined`: the first even port from 5004 on from which all components are free. */
  readonly basePort: number | undefined;
  readonly onFeedback: (component: number, bytes: Uint8Array) => void;
}): Promise<PlayerPorts> {
  const { components, onFeedback } = options;
  const span = Math.max(...components) + 1;
  if (options.basePort !== undefined && options.basePort + span > 65_536) {
    throw new PunchcastError(
      "BAD_OPTION",
      `--port ${options.basePort} leaves no room for ${span} ports: choose a lower one.`,
    );
  }
  const basePort = options.basePort ?? (await findFreePorts(loopback, firstBasePort, span));
  const sockets = await Promise.all(
    components.map(async (component) => {
      const target: Endpoint = { address: loopback, port: basePort + component };
      const onDatagram = (bytes: Uint8Array): void => {
        if (classifyDatagram(bytes) === "rtcp") onFeedback(component, bytes);
      };
      const socket = await openUdpSocket({ address: loopback, port: 0, onDatagram });
      return [component, { socket, target }] as const;
    }),
  );
  const byComponent = new Map(sockets);
  return {
    basePort,
    deliver(component, bytes) {
      const way = byComponent.get(component);
      way?.socket.send(bytes, way.target);
    },
    async close() {
      await Promise.all([...byComponent.values()].map(({ socket }) => socket.close()));
    },
  };
}
