import type { Endpoint } from "../core/address.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { classifyDatagram, type DatagramKind } from "../rtp/demux.ts";
import { answerBinding, type ProvenOutcome, type ProvenRequest } from "./answer-binding.ts";
import type { AuthenticationContext } from "./authenticate.ts";
import { type OpenOptions, readBarePunch } from "./bare-punch.ts";
import { type Effects, noEffects } from "./events.ts";
import { createExpiringNames } from "./expiring-names.ts";
import type { ComponentId } from "./forwarding.ts";
import { createHoles, type Hole, type Holes } from "./holes.ts";
import { consentLifetimeSeconds, type Limits } from "./limits.ts";
import { createNonceKeeper, nonceSlotMs } from "./nonce.ts";
import { createPublishers, type Publishers } from "./publishers.ts";
import { createRateLimiter } from "./rate-limiter.ts";
import { createReminder } from "./reminder.ts";
import type { Snapshot } from "./saved.ts";
import { restoreSnapshot, takeSnapshot } from "./snapshot.ts";
import type { Stream, StreamSettings } from "./stream.ts";
import { viewerOf } from "./viewers.ts";

/** What the core decides with. */
export interface RelayCoreOptions {
  /** The streams at first; the bare punch's is the one that is there longest. */
  readonly streams: readonly Stream[];
  readonly limits: Limits;
  /** The secret of time-limited credentials; `undefined`: none are taken. */
  readonly authSecret: string | undefined;
  /** Takes the seed's bare punch; `undefined`: never. */
  readonly open: OpenOptions | undefined;
  /** How many holes the data plane has room for on one component. Default: any number. */
  readonly holesPerComponent?: number;
  /** Default: the system's. */
  readonly random?: Random;
}

/** When a datagram came. */
export interface Arrival {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** Milliseconds since 1970 UTC, for the expiry of credentials. */
  readonly wallNowMs: number;
}

/** What to do with one datagram. */
export type Verdict =
  /** Media of this component: the userspace plane copies it to the holes. */
  | { readonly kind: "media"; readonly component: ComponentId }
  /** RTCP from the viewer that this hole is open to. */
  | { readonly kind: "feedback"; readonly hole: Hole }
  /** Send `reply`, if there is one, back where the datagram came from. `isPunch`: it was one, in STUN or bare. */
  | { readonly kind: "handled"; readonly isPunch?: true; readonly reply?: Uint8Array; readonly refusal?: string };

/** A verdict and the changes that go with it. */
export interface Decision {
  readonly verdict: Verdict;
  readonly effects: Effects;
}

/** The relay's decisions: who may feed a stream, and where it goes. Pure: no sockets, no clock of its own. */
export interface RelayCore {
  readonly holes: Holes;
  readonly publishers: Publishers;
  /** By name, in the order in which they came. */
  readonly streams: ReadonlyMap<string, Stream>;
  /** Takes in a stream, whose name no other has. */
  addStream(stream: Stream): void;
  /** Changes a stream's settings. Who used what is no longer good is refused when next asked for it: within 30 s. */
  changeStream(stream: Stream, settings: Partial<StreamSettings>): Effects;
  /** Takes a stream off, with its publisher and all its holes. */
  removeStream(stream: Stream): Effects;
  /** Closes a viewer's holes (see `viewerOf`) and refuses it for a minute; no effects if there is no such viewer. */
  kick(stream: string, viewer: string, now: number): Effects;
  /** Decides on a datagram that came to `local`, one of the punch port's addresses. */
  onPunchPort(local: Endpoint, from: Endpoint, bytes: Uint8Array, at: Arrival): Decision;
  /** Decides on a datagram that came to the ingest port of a stream's component. */
  onIngestPort(stream: Stream, component: number, local: Endpoint, from: Endpoint, now: number): Decision;
  /** Notes that media of a component went by where user space does not see it. */
  noteMedia(stream: string, component: number, now: number): Effects;
  /** Who watches and who publishes now. */
  save(now: number): Snapshot;
  /** Opens again what was open `agoMs` ago, as far as consent reaches. */
  restore(snapshot: Snapshot, at: { readonly now: number; readonly agoMs: number }): Effects;
  /** Ends what is over. To be called about once a second. */
  tick(now: number): Effects;
}

/**
 * RTCP datagrams a second from one hole: the agent asks for missing packets every 2 ms at most (`media/gap-tracker.ts`) and
 * reports beside it; less, and a fifth of a stream's packets could not be repaired. From all of them: what takes a tenth of
 * a core to read.
 */
const feedbackPerHole = 600;
const feedbackInAll = 20_000;

/**
 * An agent that was kicked asks again within 6 s, is told, and ends. Not more, since who comes back under a new session is
 * not kept out by this: only a new key does that.
 */
const kickedMs = 60_000;

/** Makes a relay core. */
export function createRelayCore(options: RelayCoreOptions): RelayCore {
  const { limits, open, authSecret } = options;
  const streams = new Map(options.streams.map((stream) => [stream.name, stream]));
  const random = options.random ?? systemRandom;
  const nonces = createNonceKeeper(random);
  const reminder = createReminder(random);
  const rate = limits.requestsPerSecond;
  const unproven = createRateLimiter({ ratePerSecond: rate, burst: rate * 4 });
  const feedback = createRateLimiter({ ratePerSecond: feedbackPerHole, burst: feedbackPerHole });
  const allFeedback = createRateLimiter({ ratePerSecond: feedbackInAll, burst: feedbackInAll, maxKeys: 1 });
  const publishers = createPublishers();
  const holes = createHoles(limits, options.holesPerComponent);
  // Both are bounded against a key holder who comes under ever new names; the oldest is the nearest to its end anyway.
  const departed = createExpiringNames(limits.holesTotal);
  const kicked = createExpiringNames(limits.holesTotal);

  function perform(
    request: ProvenRequest,
    local: Endpoint,
    from: Endpoint,
    now: number,
    effects: Effects,
  ): ProvenOutcome {
    const { grant, punch } = request;
    const stream = streams.get(grant.stream);
    if (stream === undefined) return { ok: false, code: 400, reason: "no-such-stream" };
    if (punch.component >= stream.components) return { ok: false, code: 400, reason: "no-such-component" };
    const id = `${stream.name}/${punch.session}/${punch.component}`;
    const at = { stream, component: punch.component };
    if (grant.role === "viewer" && kicked.has(`${stream.name}/${punch.session}`)) {
      return { ok: false, code: 403, reason: "kicked" };
    }
    if (request.leaves) {
      // A request that was overheard or delayed must not open again what was closed, as long as its nonce is good.
      departed.add(id, now + 2 * nonceSlotMs);
      if (grant.role === "viewer") holes.close(id, "left", effects);
      else publishers.leave(at, punch.session, effects);
    }
    const isGone = departed.has(id);
    if (!isGone) {
      const refused =
        grant.role === "viewer"
          ? holes.renew({ id, ...at, by: "key", local, remote: from }, now, effects)
          : publishers.admitKey(at, punch.session, local, from, now, effects);
      if (refused !== undefined) return { ok: false, code: 486, reason: refused };
    }
    const lifetimeSeconds = isGone ? 0 : consentLifetimeSeconds;
    return { ok: true, lifetimeSeconds, components: stream.components, publisherLive: publishers.isLive(stream.name) };
  }

  const holesOf = (stream: string): Hole[] => [...holes.values()].filter((hole) => hole.stream.name === stream);

  function onStun(local: Endpoint, from: Endpoint, bytes: Uint8Array, { now, wallNowMs }: Arrival): Decision {
    const effects = noEffects();
    const keysOf = (name: string): Stream | undefined => streams.get(name);
    const streamNames = (): Iterable<string> => streams.keys();
    const context: AuthenticationContext = { from, now, wallNowMs, nonces, authSecret, keysOf, streamNames };
    const answer = answerBinding(bytes, { ...context, unproven }, (request) =>
      perform(request, local, from, now, effects),
    );
    return { verdict: { kind: "handled", isPunch: true, ...answer }, effects };
  }

  function onViewer(local: Endpoint, from: Endpoint, bytes: Uint8Array, kind: DatagramKind, now: number): Decision {
    const effects = noEffects();
    const hole = holes.at(from);
    let isPunch = false;
    const handled = (refusal?: string): Decision => ({
      verdict: { kind: "handled", ...(isPunch && { isPunch }), ...(refusal !== undefined && { refusal }) },
      effects,
    });
    if (hole?.by !== "key") {
      const stream = hole?.stream ?? streams.values().next().value;
      // Media from nobody we know is a publisher's that lost its place: as a punch, it would get its own stream back.
      const isLost = hole === undefined && (kind === "rtp" || kind === "rtcp");
      if (open === undefined || stream === undefined || isLost) {
        const reply = reminder.remind(from, bytes, now);
        return { verdict: { kind: "handled", refusal: "unknown-source", ...(reply && { reply }) }, effects };
      }
      const request = readBarePunch(bytes, { local, from, hole }, stream, open);
      isPunch = true;
      if (typeof request === "string") return handled(request);
      if (kicked.has(`${stream.name}/${viewerOf(request)}`)) return handled("kicked");
      const refused = holes.renew(request, now, effects);
      if (refused !== undefined) return handled(refused);
    }
    if (hole === undefined || kind !== "rtcp") return handled();
    if (!feedback.take(hole.id, now) || !allFeedback.take("", now)) return handled("feedback-rate-limited");
    return { verdict: { kind: "feedback", hole }, effects };
  }

  return {
    holes,
    publishers,
    streams,
    addStream: (stream) => void streams.set(stream.name, stream),

    changeStream(stream, settings) {
      const effects = noEffects();
      Object.assign(stream, settings);
      publishers.review(stream, effects);
      return effects;
    },

    removeStream(stream) {
      const effects = noEffects();
      streams.delete(stream.name);
      for (const { id } of holesOf(stream.name)) holes.close(id, "stream-removed", effects);
      publishers.end(stream.name, effects);
      return effects;
    },

    kick(stream, viewer, now) {
      const effects = noEffects();
      const open = holesOf(stream).filter((hole) => viewerOf(hole) === viewer);
      if (open.length > 0) kicked.add(`${stream}/${viewer}`, now + kickedMs);
      for (const { id } of open) holes.close(id, "kicked", effects);
      return effects;
    },

    onPunchPort(local, from, bytes, at) {
      const kind = classifyDatagram(bytes);
      if (kind === "stun") return onStun(local, from, bytes, at);
      const effects = noEffects();
      const published = publishers.admitPunchPort(from, at.now, effects);
      if (published === undefined) return onViewer(local, from, bytes, kind, at.now);
      return {
        verdict: { kind: "media", component: published.stream.componentIds[published.component] ?? "" },
        effects,
      };
    },

    onIngestPort(stream, component, local, from, now) {
      const effects = noEffects();
      // Datagrams of a stream that was taken off may still be on their way up from its ports.
      if (streams.get(stream.name) !== stream) {
        return { verdict: { kind: "handled", refusal: "no-such-stream" }, effects };
      }
      const refusal = publishers.admitIngest({ stream, component }, local, from, now, effects);
      if (refusal !== undefined) return { verdict: { kind: "handled", refusal }, effects };
      return { verdict: { kind: "media", component: stream.componentIds[component] ?? "" }, effects };
    },

    noteMedia(stream, component, now) {
      const effects = noEffects();
      publishers.noteMedia(stream, component, now, effects);
      return effects;
    },

    save: (now) => takeSnapshot(holes, publishers, now),

    restore(snapshot, at) {
      const effects = noEffects();
      restoreSnapshot(snapshot, { holes, publishers, streams, isOpen: open !== undefined }, at, effects);
      return effects;
    },

    tick(now) {
      const effects = noEffects();
      holes.tick(now, effects);
      publishers.tick(now, effects);
      departed.tick(now);
      kicked.tick(now);
      return effects;
    },
  };
}
