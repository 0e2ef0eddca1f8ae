import { formatHost, parseHostPort } from "../core/address.ts";
import { systemClock } from "../core/clock.ts";
import { formatPunchUrl, parsePunchUrl } from "../core/punch-url.ts";
import { systemRandom } from "../core/random.ts";
import { createHttpServer, type HttpServer } from "../http/http-server.ts";
import type { Relay } from "../server/relay.ts";
import type { RelayOptions } from "../server/relay-options.ts";
import { createRelay } from "../server/relay-server.ts";
import type { ListeningStream, ServerEvent } from "../server/server-events.ts";
import type { WebRtc } from "../webrtc/web-rtc-types.ts";
import { createRelayControl, type RelayControlOptions } from "./relay-control.ts";
import { startWebRtc } from "./start-web-rtc.ts";
import { readVersion } from "./version.ts";

/** Where a relay's HTTP port is. */
export interface HttpChoice {
  /** TCP; 0: any free one. Default: the punch port's number. */
  readonly port?: number | "none";
  /** IP literal. Default: all that the relay binds, and then the API answers on this host only. */
  readonly listen?: string;
  /** Certificate chain and key, PEM. Default: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** UDP port of browsers, default 9001; `none`: browsers can neither watch nor publish. */
  readonly webRtcPort?: number | "none";
}

/** What the API of a relay is started with. */
export interface ApiChoice {
  /** Default: there is none, and the API is off. */
  readonly token?: string;
  readonly state: RelayControlOptions["state"];
  readonly configured: RelayControlOptions["configured"];
  readonly viewerMetrics: boolean;
}

/**
 * Starts a relay with its HTTP port. `listening` is told once both are open. Without `api` there are SDPs and health only.
 * @throws what `createRelay` and `createHttpServer` throw
 */
export async function startRelay(options: RelayOptions, choice: HttpChoice, api?: ApiChoice): Promise<Relay> {
  const { onEvent = () => {} } = options;
  const held: ServerEvent[] = [];
  let tell = (event: ServerEvent): void => void held.push(event);
  const relay = await createRelay({ ...options, onEvent: (event) => tell(event) });
  const onFault = (message: string): void => tell({ event: "warning", message });
  const webRtc =
    choice.port === "none" || choice.webRtcPort === "none"
      ? undefined
      : await startWebRtc(relay, options, { port: choice.webRtcPort, warn: onFault });
  let http: HttpServer | undefined;
  const marked = (stream: ListeningStream): ListeningStream => {
    const place = withHttp(stream, placeOf(options, choice, relay, http));
    return webRtc === undefined ? place : withPage(place, urlOf(relay, options, choice, http));
  };
  const whole: Relay = {
    ...relay,
    get streams() {
      return relay.streams.map(marked);
    },
    addStream: async (wanted) => marked(await relay.addStream(wanted)),
    changeStream: async (name, changes) => marked(await relay.changeStream(name, changes)),
    async close() {
      await http?.close();
      await webRtc?.close();
      await relay.close();
    },
  };
  try {
    http = await startHttp(whole, options, choice, api, { webRtc, onFault });
  } catch (error) {
    await webRtc?.close();
    await relay.close();
    throw error;
  }
  tell = onEvent;
  for (const event of held)
    onEvent(
      event.event === "listening"
        ? {
            ...event,
            streams: event.streams.map(marked),
            ...urlOf(event, options, choice, http),
            ...(api && consoleOf(event, options, choice, http)),
          }
        : event,
    );
  return whole;
}

async function startHttp(
  running: Relay,
  { authSecret, open, listen, clock = systemClock, random = systemRandom }: RelayOptions,
  { port = running.punchPort, listen: explicit, tls }: HttpChoice,
  choice: ApiChoice | undefined,
  { webRtc, onFault }: { readonly webRtc: WebRtc | undefined; readonly onFault: (message: string) => void },
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
  const version = readVersion();
  const api = choice && {
    token: choice.token,
    from: explicit === undefined ? ("loopback" as const) : ("anywhere" as const),
    viewerMetrics: choice.viewerMetrics,
    relay: createRelayControl({ ...choice, ...{ relay: running, authSecret, version, clock, random } }),
  };
  return createHttpServer({
    ...{ relay, webRtc, port, address: explicit ?? listen, tls, version, onFault, clock },
    ...(api && { api }),
  });
}

/** How viewers' URLs name the HTTP port; `undefined`: it is where they look for it. */
function placeOf(
  { publicAddress }: RelayOptions,
  { port, tls }: HttpChoice,
  { punch, punchPort }: Relay,
  http: HttpServer | undefined,
): string | undefined {
  if (port === "none" || http === undefined) return "none";
  if (tls !== undefined)
    return `https://${formatHost(publicAddress ?? parseHostPort(punch, 0)?.host ?? "127.0.0.1")}:${http.port}`;
  return http.port === punchPort ? undefined : String(http.port);
}

/** Viewers and publishers look for HTTP at the punch port's number: what is elsewhere stands in their URLs. */
function withHttp(stream: ListeningStream, http: string | undefined): ListeningStream {
  if (http === undefined) return stream;
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
  { punch }: { readonly punch: string },
  { publicAddress }: RelayOptions,
  { listen, tls }: HttpChoice,
  http: HttpServer | undefined,
): { readonly http?: string } {
  if (http === undefined) return {};
  const isOne = listen !== undefined && listen !== "0.0.0.0" && listen !== "::";
  const host = publicAddress === undefined && isOne ? listen : parseHostPort(punch, 0)?.host;
  return { http: `${tls === undefined ? "http" : "https"}://${formatHost(host ?? "127.0.0.1")}:${http.port}` };
}

/** Unless `--http-listen` says otherwise the API answers on this host only, so its page is opened here. */
function consoleOf(
  event: { readonly punch: string },
  options: RelayOptions,
  choice: HttpChoice,
  http: HttpServer | undefined,
): { readonly console?: string } {
  const url = urlOf(event, options, choice, http).http;
  if (url === undefined || http === undefined) return {};
  const isElsewhere = choice.listen !== undefined || !/^(127\.|0\.0\.0\.0$|::$)/.test(options.listen ?? "::");
  const here = `${choice.tls === undefined ? "http" : "https"}://127.0.0.1:${http.port}`;
  return { console: `${isElsewhere ? url : here}/` };
}
