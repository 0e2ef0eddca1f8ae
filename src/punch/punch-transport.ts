import { formatEndpoint } from "../core/address.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { formatPunchUrl, type PunchUrl } from "../core/punch-url.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { resolveHost } from "../udp/route.ts";
import { explainRefusal, usernameFor } from "./credentials.ts";
import type { PunchEvent } from "./machine.ts";
import { openPunchedSocket, type PunchedSocket } from "./punched-socket.ts";
import { createStunMachine } from "./stun-machine.ts";

/** What publishing through the punch port needs. */
export interface PunchTransportOptions {
  /** The stream, with its publish key. */
  readonly url: PunchUrl;
  /** How many components there are: two for each track. */
  readonly components: number;
  /** RTCP that came back on a component. */
  readonly onDatagram: (component: number, bytes: Uint8Array) => void;
  /** The relay let a component in, or moved it to the address it now comes from. */
  readonly onPunched?: (component: number, mapped: string, relay: string) => void;
  /** What is being tried, in a sentence. */
  readonly onWaiting?: (message: string) => void;
  /** The relay refused for good after it had let us in. */
  readonly onRefused?: (error: PunchcastError) => void;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A stream's way in through the relay's punch port, kept open as a viewer keeps its holes. */
export interface PunchTransport {
  send(component: number, bytes: Uint8Array): void;
  /** The relay's address. */
  readonly address: string;
  /** Datagrams that the system did not take. */
  sendErrors(): number;
  /** Tells the relay that we leave, and frees the ports. */
  close(): Promise<void>;
}

/** Kernel buffers: a key frame of 1 MB must not wait for the event loop. */
const bufferBytes = 1 << 20;

/** How often to say that the relay does not answer. */
const patienceMs = 3_000;

/**
 * Opens one authenticated socket for each component; resolves when the relay has let in every one.
 * @throws PunchcastError HOST_UNKNOWN, RELAY_REFUSED; the signal's reason if it is aborted
 */
export async function openPunchTransport(options: PunchTransportOptions): Promise<PunchTransport> {
  const { url, components, clock = systemClock, random = systemRandom, onWaiting = () => {} } = options;
  const [address] = await resolveHost(url.host);
  if (address === undefined)
    throw new PunchcastError("HOST_UNKNOWN", `Host '${url.host}' has no address: check the name.`);
  const relay = { address, port: url.port };
  const at = formatEndpoint(relay);
  const session = Buffer.from(random.bytes(8)).toString("hex");
  const username = usernameFor(url, "publisher");
  const mappedOf = new Map<number, string>();
  const gate = Promise.withResolvers<void>();
  const sockets: PunchedSocket[] = [];
  let dropped = 0;

  function refuse(message: string): void {
    const error = new PunchcastError("RELAY_REFUSED", message);
    gate.reject(error);
    options.onRefused?.(error);
  }

  function onPunch(component: number, event: PunchEvent): void {
    if (event.type === "refused") {
      const message = `Relay ${at} refused: ${explainRefusal(event.code, event.reason)}.`;
      if (event.final) refuse(message);
      else onWaiting(`${message} Trying again.`);
      return;
    }
    if (event.components < components) {
      const stream = formatPunchUrl(url).replace(/\?.*$/, "");
      refuse(
        `${stream} has ${event.components} components, but ${components} are needed: start the relay with --components ${components}.`,
      );
      return;
    }
    if (mappedOf.get(component) !== event.mapped) options.onPunched?.(component, event.mapped, at);
    mappedOf.set(component, event.mapped);
    if (mappedOf.size === components) gate.resolve();
  }

  const close = async (): Promise<void> => {
    cancelPatience();
    await Promise.all(sockets.splice(0).map((socket) => socket.close()));
  };
  const tellWaiting = (): void => {
    if (mappedOf.size === 0)
      onWaiting(`No answer from relay ${at}; trying on. Is it running, and is its UDP port open?`);
    cancelPatience = clock.schedule(patienceMs, tellWaiting);
  };
  let cancelPatience = clock.schedule(patienceMs, tellWaiting);
  const giveUp = (): void => gate.reject(options.signal?.reason);
  options.signal?.addEventListener("abort", giveUp, { once: true });
  if (options.signal?.aborted) giveUp();
  try {
    for (let component = 0; component < components; component += 1) {
      const machine = createStunMachine({ role: "publisher", component, session, username, password: url.key, random });
      const socket = await openPunchedSocket({
        ...{ relay, machine, clock, bufferBytes, localPort: 0 },
        onPunch: (event) => onPunch(component, event),
        onMedia: (bytes) => options.onDatagram(component, bytes),
      });
      sockets.push(socket);
    }
    await gate.promise;
  } catch (error) {
    await close();
    throw error;
  } finally {
    cancelPatience();
    options.signal?.removeEventListener("abort", giveUp);
  }
  return {
    address,
    send(component, bytes) {
      if (sockets[component]?.send(bytes) !== true) dropped += 1;
    },
    sendErrors: () => dropped,
    close,
  };
}
