import type { Server, Socket } from "node:net";
import Fastify, { type FastifyInstance } from "fastify";
import { formatEndpoint } from "../core/address.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { systemErrorCode } from "../core/errors.ts";
import { bindError } from "../udp/bind-error.ts";
import type { WebRtc } from "../webrtc/web-rtc-types.ts";
import { type ApiOptions, addApi } from "./api/api.ts";
import { addDescriptionRoutes, collectRoutes } from "./api/open-api.ts";
import type { KeyRing } from "./authorize.ts";
import { addConsolePage } from "./console-page.ts";
import { createGate } from "./gate.ts";
import { addHealthRoutes, type HealthSource } from "./health.ts";
import { isLoopback } from "./loopback.ts";
import { HttpProblem, problemOf, sendProblem } from "./problem.ts";
import { addSdpRoutes, type SdpSource } from "./stream-sdp.ts";
import { addWatchPage } from "./watch-page.ts";
import { addWebRtcRoutes } from "./webrtc.ts";
import { addDescribed } from "./webrtc-shapes.ts";

/** What the HTTP port shows of a relay. */
export interface HttpRelay extends KeyRing, SdpSource, HealthSource {}

/** What a server is started with. */
export interface HttpServerOptions {
  readonly relay: HttpRelay;
  /** What needs the admin token. Default: there is nothing of the kind. */
  readonly api?: ApiOptions;
  /** Certificate chain and key, PEM. Default: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Of Punchcast, for the description of the routes. Default: `0`. */
  readonly version?: string;
  /** Browsers that watch and publish. Default: none can. */
  readonly webRtc?: WebRtc | undefined;
  /** Folder of the built console. Default: the package's own. */
  readonly console?: URL;
  /** TCP; 0: any free one. */
  readonly port: number;
  /** IP literal to bind. Default: every address of this host. */
  readonly address?: string | undefined;
  /** Told of failures that are ours, in a sentence. Default: nobody. */
  readonly onFault?: (message: string) => void;
  /** Default: the system's. */
  readonly clock?: Clock;
}

/** A running server. */
export interface HttpServer {
  readonly port: number;
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Connections at a time. Not more, since each may hold 64 KiB of body and its buffers; not less, since a crowd of 1,000 that
 * follows the relay's events must fit.
 */
const connectionsMax = 2_048;

/**
 * Connections of one address at a time, loopback apart, where a proxy speaks for many. Not more, so that one host cannot
 * take all of them; not less, since a school's viewers come from one address.
 */
const connectionsPerAddressMax = 128;

/** A request's header comes within 5 s and the whole within 10 s, or the connection ends: 64 KiB need 50 kbit/s. */
const headersMs = 5_000;
const requestMs = 10_000;

/** How long an idle connection is kept: a player's second request comes within it, and a relay's sockets are not parked on. */
const keepAliveMs = 5_000;

/** Requests of one connection: enough for a page and what it loads, after which another gets its turn. */
const requestsPerSocket = 100;

/** The largest body: an SDP. */
const bodyBytesMax = 65_536;

/**
 * Starts the relay's HTTP port.
 * @throws PunchcastError PORT_IN_USE, ADDRESS_UNAVAILABLE, NO_PRIVILEGE, BAD_OPTION
 */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { relay, clock = systemClock, onFault = () => {} } = options;
  const server = { headersTimeout: headersMs, connectionsCheckingInterval: 1_000, maxHeaderSize: 8_192 };
  const app = Fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMs,
    keepAliveTimeout: keepAliveMs,
    maxRequestsPerSocket: requestsPerSocket,
    forceCloseConnections: true,
    // Behind a proxy on this host it is the proxy's word that tells addresses apart.
    trustProxy: "loopback",
    ...(options.tls === undefined ? { http: server } : { https: { ...server, ...options.tls } }),
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, problemOf(error)),
  });
  limitConnections(app.server);
  // No body means anything but what the route reads out of its bytes.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.addHook("onSend", async (_request, reply) => {
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
    reply.header("x-content-type-options", "nosniff");
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, new HttpProblem(404, "BAD_URL", `There is no ${request.method} of that path here.`)),
  );
  app.setErrorHandler((error: Error, _request, reply) => {
    const problem = problemOf(error);
    if (problem !== error && problem.status >= 500) onFault(`An HTTP request failed: ${error.stack ?? error.message}`);
    return sendProblem(reply, problem);
  });
  await collectRoutes(app, options.version ?? "0");
  addHealthRoutes(app, relay);
  const gate = createGate(relay, clock);
  addSdpRoutes(app, relay, gate);
  const { webRtc } = options;
  if (webRtc !== undefined) {
    addDescribed(app, (scope) => {
      addWebRtcRoutes(scope, webRtc, gate);
      addWatchPage(scope, webRtc, gate);
    });
  }
  if (options.api !== undefined) await addApi(app, options.api, clock);
  addDescriptionRoutes(app);
  addConsolePage(app, options.console);
  return { port: await listen(app, options), close: () => app.close() };
}

function limitConnections(server: Server): void {
  server.maxConnections = connectionsMax;
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    if (isLoopback(address)) return;
    const count = (open.get(address) ?? 0) + 1;
    if (count > connectionsPerAddressMax) {
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once("close", () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
  });
}

async function listen(app: FastifyInstance, { address, port }: HttpServerOptions): Promise<number> {
  const bind = (host: string): Promise<string> =>
    app.listen({ host, port }).catch((cause: Error) => {
      const at = formatEndpoint({ address: host, port });
      throw bindError(systemErrorCode(cause), at, "HTTP port (--http-port)", cause);
    });
  try {
    await bind(address ?? "::");
  } catch (error) {
    // A host without IPv6 has no "::", which elsewhere takes IPv4 too.
    if (address !== undefined || !(error instanceof Error) || !noIpv6(error.cause)) throw error;
    await bind("0.0.0.0");
  }
  const bound = app.server.address();
  return typeof bound === "object" && bound !== null ? bound.port : port;
}

function noIpv6(cause: unknown): boolean {
  return ["EAFNOSUPPORT", "EADDRNOTAVAIL", "EINVAL"].includes(systemErrorCode(cause) ?? "");
}
