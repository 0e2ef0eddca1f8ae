import type { Endpoint } from "../core/address.ts";
import { PunchcastError } from "../core/errors.ts";
import type { DataPlane, PlanePorts } from "../data-plane/data-plane.ts";
import type { Effects } from "../relay/events.ts";
import type { RelayCore } from "../relay/relay-core.ts";
import { checkStreams, createStream, ingestPortsOf, type Stream, type StreamOptions } from "../relay/stream.ts";
import type { Descriptions } from "./descriptions.ts";
import type { MediaDesk } from "./media-desk.ts";
import type { RelayPorts } from "./relay-ports.ts";
import type { ServerEvent } from "./server-events.ts";

/** What of a stream can be changed: all but its name. */
export type StreamChanges = Partial<Omit<StreamOptions, "name">>;

/** The streams of a running relay: they come, change and go, each step after the one before. */
export interface LiveStreams {
  /** Opens the ingest ports of the streams that the core started with. */
  openAll(): Promise<void>;
  /** Told once the punch port is open. */
  start(punchPort: number): void;
  /** The ports that the relay has bound. */
  ports(): PlanePorts;
  /** @throws PunchcastError STREAM_EXISTS, BAD_OPTION, PORT_IN_USE, NO_PRIVILEGE; then nothing has changed */
  add(options: StreamOptions): Promise<Stream>;
  /**
   * With other components or ports the stream is opened anew: publisher and viewers come back by themselves in seconds.
   * @throws PunchcastError NO_SUCH_STREAM and what `add` throws; then nothing has changed
   */
  change(name: string, changes: StreamChanges): Promise<Stream>;
  /** @throws PunchcastError NO_SUCH_STREAM */
  remove(name: string): Promise<void>;
}

/** What they are kept with. */
export interface LiveStreamsOptions {
  readonly core: RelayCore;
  readonly ports: Pick<RelayPorts, "open" | "closePort">;
  readonly plane: Pick<DataPlane, "setPorts">;
  readonly desk: Pick<MediaDesk, "addStream" | "removeStream">;
  readonly descriptions: Pick<Descriptions, "forget">;
  readonly onDatagram: (stream: Stream, component: number, bytes: Uint8Array, from: Endpoint, local: Endpoint) => void;
  readonly carryOut: (effects: Effects) => void;
  readonly tell: (event: ServerEvent) => void;
}

/** Nothing is opened before `openAll`. */
export function createLiveStreams(options: LiveStreamsOptions): LiveStreams {
  const { core, ports, plane, desk, descriptions, carryOut, tell } = options;
  let punchPort = 0;
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  }

  async function openIngest(stream: Stream): Promise<void> {
    const opened: number[] = [];
    try {
      for (const [component, port] of ingestPortsOf(stream).entries()) {
        const purpose = `Ingest port of stream '${stream.name}' (--ingest-port)`;
        const onDatagram = (bytes: Uint8Array, from: Endpoint, local: Endpoint): void =>
          options.onDatagram(stream, component, bytes, from, local);
        opened.push(await ports.open({ port, purpose, onDatagram }));
      }
    } catch (error) {
      for (const port of opened) await ports.closePort(port);
      throw error;
    }
  }

  const all = (): Stream[] => [...core.streams.values()];
  const boundPorts = (): PlanePorts => ({ punch: punchPort, ingest: all().flatMap(ingestPortsOf) });

  function find(name: string): Stream {
    const stream = core.streams.get(name);
    if (stream !== undefined) return stream;
    throw new PunchcastError(
      "NO_SUCH_STREAM",
      `There is no stream '${name}' on this relay: list those that there are.`,
    );
  }

  async function bringUp(stream: Stream): Promise<void> {
    // The core and the desk first: a sender may be there already.
    core.addStream(stream);
    desk.addStream(stream);
    try {
      await openIngest(stream);
      await plane.setPorts?.(boundPorts());
    } catch (error) {
      await takeDown(stream);
      throw error;
    }
  }

  async function takeDown(stream: Stream): Promise<void> {
    carryOut(core.removeStream(stream));
    desk.removeStream(stream);
    for (const port of ingestPortsOf(stream)) await ports.closePort(port);
    await plane.setPorts?.(boundPorts());
  }

  return {
    async openAll() {
      for (const stream of all()) await openIngest(stream);
    },

    start(port) {
      punchPort = port;
    },

    ports: boundPorts,

    add: (wanted) =>
      inTurn(async () => {
        if (core.streams.has(wanted.name)) {
          throw new PunchcastError(
            "STREAM_EXISTS",
            `Stream '${wanted.name}' is there already: change it, or take another name.`,
          );
        }
        checkStreams([...all(), wanted], punchPort);
        const stream = createStream(wanted);
        await bringUp(stream);
        tell({ event: "stream-added", stream: stream.name });
        return stream;
      }),

    change: (name, changes) =>
      inTurn(async () => {
        const before = find(name);
        const { componentIds: _ids, ...settings } = before;
        const wanted = { ...settings, ...changes };
        checkStreams([...all().filter((other) => other !== before), wanted], punchPort);
        const isSame = wanted.components === before.components && wanted.ingestPort === before.ingestPort;
        if (isSame) {
          carryOut(core.changeStream(before, changes));
          tell({ event: "stream-changed", stream: name });
          return before;
        }
        const stream = createStream(wanted);
        await takeDown(before);
        try {
          await bringUp(stream);
        } catch (error) {
          await bringUp(before);
          throw error;
        }
        tell({ event: "stream-changed", stream: name });
        return stream;
      }),

    remove: (name) =>
      inTurn(async () => {
        await takeDown(find(name));
        descriptions.forget(name);
        tell({ event: "stream-removed", stream: name });
      }),
  };
}
