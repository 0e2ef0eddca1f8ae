import { formatHost, parseHostPort } from "../core/address.ts";
import { formatPunchUrl, parsePunchUrl } from "../core/punch-url.ts";
import { createHttpServer, type HttpServer } from "../http/http-server.ts";
import type { RelayOptions } from "../server/relay-options.ts";
import { createRelay, type Relay } from "../server/relay-server.ts";
import type { ListeningStream, ServerEvent } from "../server/server-events.ts";
import type { WebRtc } from "../webrtc/web-rtc-types.ts";
import { startWebRtc } from "./start-web-rtc.ts";

/** Where a relay's HTTP port is. */
export interface HttpChoice {
  /** TCP; 0: any free one. Default: the punch port's number. */
  readonly port?: number | "none";
  /** IP literal. Default: all that the relay binds. */
  readonly listen?: string;
  /** UDP port of browsers, default 9001; `none`: browsers can neither watch nor publish. */
  readonly webRtcPort?: number | "none";
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
  const warn = (message: string): void => tell({ event: "warning", message });
  const webRtc =
    choice.port === "none" || choice.webRtcPort === "none"
      ? undefined
      : await startWebRtc(relay, options, { port: choice.webRtcPort, warn });
  const http = await startHttp(relay, options, choice, { webRtc, onFault: warn }).catch(async (error: unknown) => {
    await webRtc?.close();
    await relay.close();
    throw error;
  });
  const streams = relay.streams.map((stream) => withHttp(stream, relay.punchPort, http?.port));
  tell = onEvent;
  for (const event of held) {
    if (event.event !== "listening") onEvent(event);
    else {
      const url = urlOf(event, options, choice, http);
      onEvent({
        ...event,
        streams: webRtc === undefined ? streams : streams.map((each) => withPage(each, url)),
        ...url,
      });
    }
  }
  return {
    ...relay,
    streams,
    async close() {
      await http?.close();
      await webRtc?.close();
      await relay.close();
    },
  };
}

async function startHttp(
  { descriptions, punchPort }: Relay,
  { streams, authSecret, open, listen, clock }: RelayOptions,
  { port = punchPort, listen: address = listen }: HttpChoice,
  { webRtc, onFault }: { readonly webRtc: WebRtc | undefined; readonly onFault: (message: string) => void },
): Promise<HttpServer | undefined> {
  if (port === "none") return undefined;
  const byName = new Map(streams.map((stream) => [stream.name, stream]));
  // The first stream is the bare punch's; a limit on who may punch is one on who may read, which HTTP does not know.
  const openStream = open !== undefined && open.from.length === 0 ? streams[0]?.name : undefined;
  const relay = {
    descriptions,
    authSecret,
    openStream,
    keysOf: (name: string) => byName.get(name),
    isReady: () => true,
  };
  return createHttpServer({ relay, webRtc, port, address, onFault, ...(clock && { clock }) });
}

/** Viewers and publishers look for HTTP at the punch port's number: what is elsewhere stands in their URLs. */
function withHttp(stream: ListeningStream, punchPort: number, httpPort: number | undefined): ListeningStream {
  if (httpPort === punchPort) return stream;
  const http = httpPort === undefined ? "none" : String(httpPort);
  const mark = (url: string): string => formatPunchUrl({ ...parsePunchUrl(url), http });
  return { ...stream, watchUrl: mark(stream.watchUrl), publishUrl: mark(stream.publishUrl) };
}

/** The key stands in the fragment, which browsers keep to themselves. */
function withPage(stream: ListeningStream, { http }: { readonly http?: string }): ListeningStream {
  if (http === undefined) return stream;
  const { key } = parsePunchUrl(stream.watchUrl);
  return { ...stream, browserUrl: `${http}/watch/${stream.name}#${new URLSearchParams({ key })}` };
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
