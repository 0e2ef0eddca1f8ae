import { formatHost, parseHostPort } from "../core/address.ts";
import { formatPunchUrl, parsePunchUrl } from "../core/punch-url.ts";
import { createHttpServer, type HttpServer } from "../http/http-server.ts";
import type { Relay } from "../server/relay.ts";
import type { RelayOptions } from "../server/relay-options.ts";
import { createRelay } from "../server/relay-server.ts";
import type { ListeningStream, ServerEvent } from "../server/server-events.ts";

/** Where a relay's HTTP port is. */
export interface HttpChoice {
  /** TCP; 0: any free one. Default: the punch port's number. */
  readonly port?: number | "none";
  /** IP literal. Default: all that the relay binds. */
  readonly listen?: string;
}

/**
 * Starts a relay with its HTTP port. `listening` is told once both are open.
 * @throws what `createRelay` and `createHttpServer` throw
 */
export async function startRelay(options: RelayOptions, choice: HttpChoice): Promise<Relay> {
  const { onEvent = () => {} } = options;
  const held: ServerEvent[] = [];
  let tell = (event: ServerEvent): void => void held.push(event);
  const relay = await createRelay({ ...options, onEvent: (event) => tell(event) });
  const http = await startHttp(relay, options, choice, (message) => tell({ event: "warning", message })).catch(
    async (error: unknown) => {
      await relay.close();
      throw error;
    },
  );
  const marked = (stream: ListeningStream): ListeningStream => withHttp(stream, relay.punchPort, http?.port);
  tell = onEvent;
  for (const event of held)
    onEvent(
      event.event === "listening"
        ? { ...event, streams: event.streams.map(marked), ...urlOf(event, options, choice, http) }
        : event,
    );
  return {
    ...relay,
    get streams() {
      return relay.streams.map(marked);
    },
    addStream: async (wanted) => marked(await relay.addStream(wanted)),
    changeStream: async (name, changes) => marked(await relay.changeStream(name, changes)),
    async close() {
      await http?.close();
      await relay.close();
    },
  };
}

async function startHttp(
  running: Relay,
  { authSecret, open, listen, clock }: RelayOptions,
  { port = running.punchPort, listen: address = listen }: HttpChoice,
  onFault: (message: string) => void,
): Promise<HttpServer | undefined> {
  if (port === "none") return undefined;
  // A limit on who may punch is one on who may read, which HTTP does not know.
  const isOpen = open !== undefined && open.from.length === 0;
  const relay = {
    descriptions: running.descriptions,
    authSecret,
    // The bare punch's stream is the one that is there longest.
    openStream: () => (isOpen ? running.streams[0]?.name : undefined),
    keysOf: running.stream,
    isReady: () => true,
  };
  return createHttpServer({ relay, port, address, onFault, ...(clock && { clock }) });
}

/** Viewers and publishers look for HTTP at the punch port's number: what is elsewhere stands in their URLs. */
function withHttp(stream: ListeningStream, punchPort: number, httpPort: number | undefined): ListeningStream {
  if (httpPort === punchPort) return stream;
  const http = httpPort === undefined ? "none" : String(httpPort);
  const mark = (url: string): string => formatPunchUrl({ ...parsePunchUrl(url), http });
  return { ...stream, watchUrl: mark(stream.watchUrl), publishUrl: mark(stream.publishUrl) };
}

function urlOf(
  { punch }: ServerEvent & { event: "listening" },
  { publicAddress }: RelayOptions,
  { listen }: HttpChoice,
  http: HttpServer | undefined,
): { readonly http?: string } {
  if (http === undefined) return {};
  const isOne = listen !== undefined && listen !== "0.0.0.0" && listen !== "::";
  const host = publicAddress === undefined && isOne ? listen : parseHostPort(punch, 0)?.host;
  return { http: `http://${formatHost(host ?? "127.0.0.1")}:${http.port}` };
}
