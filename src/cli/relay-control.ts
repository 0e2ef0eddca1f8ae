import type { StreamConfig } from "../config/relay-config.ts";
import { newKey, type StateStore } from "../config/state-file.ts";
import { type Cidr, formatCidr, parseCidr } from "../core/cidr.ts";
import type { Clock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { formatPunchUrl, parsePunchUrl } from "../core/punch-url.ts";
import type { Random } from "../core/random.ts";
import type { ApiRelay } from "../http/api/api-relay.ts";
import type { ApiKeys, ApiStream } from "../http/api/shapes.ts";
import { type StreamKeys, timeLimitedPassword, timeLimitedUsername } from "../relay/credentials.ts";
import type { StreamOptions } from "../relay/stream.ts";
import type { StreamChanges } from "../server/live-streams.ts";
import type { Relay } from "../server/relay.ts";
import type { ListeningStream, ServerEvent, StreamStats } from "../server/server-events.ts";
import type { Viewer } from "../server/viewer-list.ts";
import { defaultComponents } from "./relay-options.ts";

/** What the API's side of a relay is made of. */
export interface RelayControlOptions {
  readonly relay: Relay;
  /** What changes is kept here. */
  readonly state: Pick<StateStore, "saveStream" | "saveKeys" | "forgetStream">;
  /** The streams that the command line or the configuration file names. */
  readonly configured: readonly StreamConfig[];
  readonly authSecret: string | undefined;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** What the API shows of a running relay and does to it. What cannot be kept is undone. */
export function createRelayControl(options: RelayControlOptions): ApiRelay {
  const { relay, state, authSecret, version, clock, random } = options;
  const configured = new Map(options.configured.map((stream) => [stream.name, stream]));

  function find(name: string): { readonly stream: StreamOptions; readonly listening: ListeningStream } {
    const [stream, listening] = [relay.stream(name), relay.streams.find((each) => each.name === name)];
    if (stream !== undefined && listening !== undefined) return { stream, listening };
    throw new PunchcastError(
      "NO_SUCH_STREAM",
      `There is no stream '${name}' on this relay: list those that there are.`,
    );
  }

  function findCreated(name: string): StreamOptions {
    const { stream } = find(name);
    if (!configured.has(name)) return { ...stream };
    throw new PunchcastError(
      "STREAM_CONFIGURED",
      `The command line or the configuration file names stream '${name}': change it there, and start the relay again.`,
    );
  }

  function describe(
    listening: ListeningStream,
    { streams }: { readonly streams: readonly StreamStats[] },
    viewers: readonly Viewer[],
  ): ApiStream[] {
    const { name, components, ingestPorts } = listening;
    const [stream, figures] = [relay.stream(name), streams.find((each) => each.name === name)];
    if (stream === undefined || figures === undefined) return [];
    const { name: _name, ...stats } = figures;
    const { takeover = false } = stream;
    const origin = configured.has(name) ? "configured" : "created";
    const watching = viewers.filter((viewer) => viewer.stream === name).length;
    const settings = { name, components, ingestPorts, from: stream.from.map(formatCidr), takeover, origin } as const;
    return [{ ...settings, viewers: listening.viewers, watching, stats }];
  }

  async function describeOne(name: string): Promise<ApiStream> {
    const [described] = describe(find(name).listening, await relay.readStats(), await relay.viewers(name));
    return described ?? Promise.reject(new PunchcastError("NO_SUCH_STREAM", `Stream '${name}' was deleted meanwhile.`));
  }

  function keysOf(name: string): ApiKeys {
    const { stream, listening } = find(name);
    const { viewKey, publishKey } = stream;
    const { watchUrl, publishUrl, browserUrl } = listening;
    return { viewKey, publishKey, watchUrl, publishUrl, ...(browserUrl !== undefined && { browserUrl }) };
  }

  return {
    async info() {
      const { uptimeMs, refused, punches, sendErrors, streams } = await relay.readStats();
      const { plane, punch, punchPort } = relay;
      const counts = { streams: streams.length, refused, punches, sendErrors };
      return { version, plane, punch, punchPort, uptimeMs, mintsKeys: authSecret !== undefined, ...counts };
    },

    async streams() {
      const [stats, viewers] = [await relay.readStats(), await relay.viewers()];
      return relay.streams.flatMap((stream) => describe(stream, stats, viewers));
    },

    stream: describeOne,

    async createStream({ name, ingestPort, components = defaultComponents, from, takeover = false, ...keys }) {
      const { viewKey = newKey(random), publishKey = newKey(random) } = keys;
      const port = ingestPort === "none" ? undefined : ingestPort;
      const wanted = { ...{ name, components, takeover, viewKey, publishKey }, ingestPort: port, from: blocks(from) };
      await relay.addStream(wanted);
      await state.saveStream(wanted).catch(async (error: unknown) => {
        await relay.removeStream(name);
        throw error;
      });
      return describeOne(name);
    },

    async changeStream(name, { components, ingestPort, from, takeover }) {
      const before = findCreated(name);
      const changes: StreamChanges = {
        ...(components !== undefined && { components }),
        ...(ingestPort !== undefined && { ingestPort: ingestPort === "none" ? undefined : ingestPort }),
        ...(from !== undefined && { from: blocks(from) }),
        ...(takeover !== undefined && { takeover }),
      };
      await relay.changeStream(name, changes);
      await state.saveStream({ ...before, ...changes }).catch(async (error: unknown) => {
        await relay.changeStream(name, before);
        throw error;
      });
      return describeOne(name);
    },

    async deleteStream(name) {
      findCreated(name);
      // A stream that came back with the next start would be worse than one that is still there.
      await state.forgetStream(name);
      await relay.removeStream(name);
    },

    keys: keysOf,

    async rotateKeys(name, which) {
      const { stream } = find(name);
      const made = {
        ...(which !== "publish" && { viewKey: newKey(random) }),
        ...(which !== "view" && { publishKey: newKey(random) }),
      };
      const fixed = Object.keys(made).find((key) => isSet(configured.get(name), key));
      if (fixed !== undefined) {
        throw new PunchcastError(
          "STREAM_CONFIGURED",
          `The command line, its environment or the configuration file sets the ${fixed} of stream '${name}': change it there, and start the relay again.`,
        );
      }
      const keys: StreamKeys = { viewKey: stream.viewKey, publishKey: stream.publishKey, ...made };
      await state.saveKeys(name, keys);
      await relay.changeStream(name, made);
      return keysOf(name);
    },

    mintKey(name, role, lifetimeSeconds) {
      const { listening } = find(name);
      if (authSecret === undefined) {
        throw new PunchcastError(
          "NO_AUTH_SECRET",
          "This relay takes no time-limited credentials: start it with --auth-secret or PUNCHCAST_AUTH_SECRET.",
        );
      }
      const expires = Math.floor(clock.wallNow() / 1000) + lifetimeSeconds;
      const username = timeLimitedUsername(name, role === "view" ? "viewer" : "publisher", expires);
      const password = timeLimitedPassword(authSecret, username);
      const permanent = parsePunchUrl(role === "view" ? listening.watchUrl : listening.publishUrl);
      const url = formatPunchUrl({ ...permanent, key: password, expires });
      const page = role === "view" ? listening.browserUrl?.replace(/#.*$/s, "") : undefined;
      const secret = new URLSearchParams({ key: password, expires: String(expires) });
      return { username, password, expires, url, ...(page !== undefined && { browserUrl: `${page}#${secret}` }) };
    },

    async viewers(name) {
      find(name);
      return relay.viewers(name);
    },

    allViewers: () => relay.viewers(),

    kick(name, viewer) {
      find(name);
      if (relay.kick(name, viewer)) return;
      throw new PunchcastError("NO_SUCH_VIEWER", `Nobody watches stream '${name}' as '${viewer}': list its viewers.`);
    },

    readStats: (): Promise<ServerEvent & { event: "stats" }> => relay.readStats(),
    subscribe: relay.subscribe,
  };
}

function isSet(stream: StreamConfig | undefined, key: string): boolean {
  return key === "viewKey" ? stream?.viewKey !== undefined : stream?.publishKey !== undefined;
}

/** Blocks that were read once already. */
function blocks(texts: readonly string[] = []): Cidr[] {
  return texts.map(parseCidr).filter((block) => block !== undefined);
}
