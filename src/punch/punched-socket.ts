import { addressFamily, type Endpoint, sameEndpoint } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import { openUdpSocket, type UdpSocket } from "../udp/udp-socket.ts";
import type { PunchEvent, PunchMachine } from "./machine.ts";

/** A UDP socket whose hole at the relay is kept open. */
export interface PunchedSocket {
  /** Where it is bound: the wildcard address and the local port. */
  readonly local: Endpoint;
  /** Sends to the relay; false if it was dropped. */
  send(bytes: Uint8Array): boolean;
  /** Punches at once. */
  punchNow(): void;
  /** Requests since the last one that was answered. */
  unanswered(): number;
  /** Datagrams from anybody but the relay: dropped and counted. */
  strangers(): number;
  /** Goes on with the relay at another address. */
  moveTo(relay: Endpoint): void;
  /** Tells the relay that we leave, if that can be said, and frees the port. */
  close(): Promise<void>;
}

/** What to open, and who hears of it. */
export interface PunchedSocketOptions {
  readonly relay: Endpoint;
  /** 0: any free port. */
  readonly localPort: number;
  readonly machine: PunchMachine;
  readonly clock: Clock;
  /** Kernel buffers to ask for, in bytes. */
  readonly bufferBytes?: number;
  /** What the port is, for errors. */
  readonly purpose?: string;
  readonly onPunch: (event: PunchEvent) => void;
  /** Everything from the relay that is not the punch's own. `bytes` belongs to the callee. */
  readonly onMedia: (bytes: Uint8Array) => void;
}

/**
 * Opens a socket and keeps punching until it is closed.
 * @throws PunchcastError PORT_IN_USE or NO_PRIVILEGE
 */
export async function openPunchedSocket(options: PunchedSocketOptions): Promise<PunchedSocket> {
  const { machine, clock, onPunch, onMedia } = options;
  let relay = options.relay;
  let strangers = 0;
  let cancelTimer = (): void => {};
  let open = true;

  function onDatagram(bytes: Uint8Array, from: Endpoint): void {
    if (!sameEndpoint(from, relay)) {
      strangers += 1;
      return;
    }
    const outcome = machine.receive(bytes, clock.now());
    if (outcome === undefined) {
      onMedia(bytes);
      return;
    }
    if (outcome !== "quiet") onPunch(outcome);
    run(socket);
  }

  function run(on: UdpSocket): void {
    cancelTimer();
    if (!open) return;
    const request = machine.poll(clock.now());
    if (request !== undefined) on.send(request, relay);
    cancelTimer = clock.schedule(Math.max(0, machine.wakeAt() - clock.now()), () => run(on));
  }

  const socket = await openUdpSocket({
    address: addressFamily(relay.address) === 6 ? "::" : "0.0.0.0",
    port: options.localPort,
    onDatagram,
    ...(options.bufferBytes !== undefined && { bufferBytes: options.bufferBytes }),
    ...(options.purpose !== undefined && { purpose: options.purpose }),
  });
  run(socket);
  return {
    local: socket.local,
    send: (bytes) => socket.send(bytes, relay),
    punchNow() {
      machine.punchNow(clock.now());
      run(socket);
    },
    unanswered: () => machine.unanswered(),
    strangers: () => strangers,
    moveTo(to) {
      relay = to;
    },
    async close() {
      if (!open) return;
      open = false;
      cancelTimer();
      const goodbye = machine.leave(clock.now());
      if (goodbye !== undefined) socket.send(goodbye, relay);
      await socket.close();
    },
  };
}
