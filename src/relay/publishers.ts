import { type Endpoint, formatEndpoint, sameEndpoint } from "../core/address.ts";
import { cidrContains } from "../core/cidr.ts";
import type { Effects } from "./events.ts";
import { consentLifetimeSeconds, flowIdleMs, publisherIdleMs } from "./limits.ts";
import type { SavedPublisher } from "./saved.ts";
import type { Stream } from "./stream.ts";

/** Why a datagram to an ingest port, or a request to publish, was refused. */
export type PublisherRefusal = "source-not-allowed" | "publisher-busy";

/** A component that takes media on the punch port: what a datagram from a proven publisher belongs to. */
export interface PublishedComponent {
  readonly stream: Stream;
  readonly component: number;
}

/** Who feeds each stream: by source address and first come, or by the publish key. */
export interface Publishers {
  /** Decides on a datagram that came to an ingest port. */
  admitIngest(
    at: PublishedComponent,
    local: Endpoint,
    from: Endpoint,
    now: number,
    effects: Effects,
  ): PublisherRefusal | undefined;
  /** A publisher proved the publish key from `from`: it may feed this component through the punch port for 30 s more. */
  admitKey(
    at: PublishedComponent,
    session: string,
    local: Endpoint,
    from: Endpoint,
    now: number,
    effects: Effects,
  ): PublisherRefusal | undefined;
  /** The component that `from` may feed through the punch port, noting that it did. */
  admitPunchPort(from: Endpoint, now: number, effects: Effects): PublishedComponent | undefined;
  /** A publisher with the key leaves. */
  leave(at: PublishedComponent, session: string, effects: Effects): void;
  /** Where to send RTCP for this component: the flow that feeds it. */
  flowOf(stream: string, component: number): { readonly local: Endpoint; readonly publisher: Endpoint } | undefined;
  /** True while the stream's publisher has sent something within the last 10 s. */
  isLive(stream: string): boolean;
  /** Notes that media of this component went by where user space does not see it. */
  noteMedia(stream: string, component: number, now: number, effects: Effects): void;
  /** Ends a publisher by address that the stream's settings, which changed, do not allow any more. */
  review(stream: Stream, effects: Effects): void;
  /** Ends the stream's publisher. */
  end(stream: string, effects: Effects): void;
  /** What is needed to go on after a restart. */
  save(now: number): SavedPublisher[];
  /** Gives a publisher of `agoMs` ago its place back, if nobody has it and something of its consent is left. */
  restore(
    stream: Stream,
    saved: SavedPublisher,
    at: { readonly now: number; readonly agoMs: number },
    effects: Effects,
  ): void;
  /** Frees the places of publishers that went idle or whose consent expired. */
  tick(now: number, effects: Effects): void;
}

interface Flow {
  local: Endpoint;
  publisher: Endpoint;
  /** When its last datagram came; for the key kind, -Infinity before the first. */
  mediaAt: number;
  /** The key kind's consent. */
  consentUntil: number;
}

interface Publisher {
  readonly stream: Stream;
  /** What makes it one publisher over changes of port: its IP address, or its session. */
  readonly identity: string;
  readonly by: "address" | "key";
  readonly flows: Map<number, Flow>;
  mediaAt: number;
  live: boolean;
}

/** Publishers of all streams, none at first. */
export function createPublishers(): Publishers {
  const byStream = new Map<string, Publisher>();
  const byRemote = new Map<string, { publisher: Publisher; at: PublishedComponent; flow: Flow }>();

  function tell(publisher: Publisher, state: "live" | "moved" | "idle", component: number, effects: Effects): void {
    const address = publisher.flows.get(component)?.publisher;
    const { stream, by } = publisher;
    const text = address === undefined ? publisher.identity : formatEndpoint(address);
    effects.events.push({ event: "publisher", stream: stream.name, state, by, component, address: text });
  }

  function remove(publisher: Publisher, effects: Effects): void {
    byStream.delete(publisher.stream.name);
    if (publisher.live) tell(publisher, "idle", publisher.flows.keys().next().value ?? 0, effects);
    for (const component of [...publisher.flows.keys()]) dropFlow(publisher, component, effects);
  }

  function dropFlow(publisher: Publisher, component: number, effects: Effects): void {
    const flow = publisher.flows.get(component);
    if (flow === undefined) return;
    publisher.flows.delete(component);
    if (byRemote.get(formatEndpoint(flow.publisher))?.flow === flow) byRemote.delete(formatEndpoint(flow.publisher));
    effects.changes.push({ type: "clear-flow", component: publisher.stream.componentIds[component] ?? "" });
  }

  function setFlow(
    publisher: Publisher,
    at: PublishedComponent,
    local: Endpoint,
    from: Endpoint,
    effects: Effects,
  ): Flow {
    const old = publisher.flows.get(at.component);
    if (old !== undefined && byRemote.get(formatEndpoint(old.publisher))?.flow === old) {
      byRemote.delete(formatEndpoint(old.publisher));
    }
    const flow = { local, publisher: from, mediaAt: old?.mediaAt ?? Number.NEGATIVE_INFINITY, consentUntil: 0 };
    publisher.flows.set(at.component, flow);
    if (publisher.by === "key") byRemote.set(formatEndpoint(from), { publisher, at, flow });
    const component = at.stream.componentIds[at.component] ?? "";
    effects.changes.push({ type: "set-flow", component, flow: { local, publisher: from } });
    if (old !== undefined && publisher.live) tell(publisher, "moved", at.component, effects);
    return flow;
  }

  function touch(publisher: Publisher, flow: Flow, component: number, now: number, effects: Effects): void {
    flow.mediaAt = now;
    publisher.mediaAt = now;
    if (publisher.live) return;
    publisher.live = true;
    tell(publisher, "live", component, effects);
  }

  /** The stream's publisher if it is `identity`'s or can be made so; `undefined` while another one holds the place. */
  function claim(
    at: PublishedComponent,
    by: "address" | "key",
    identity: string,
    now: number,
    effects: Effects,
  ): Publisher | undefined {
    const current = byStream.get(at.stream.name);
    if (current?.by === by && current.identity === identity) return current;
    if (current !== undefined) {
      const silentMs = now - current.mediaAt;
      // The key outranks an address; between two of a kind the place is free once its holder has fallen silent.
      const free =
        by === "key"
          ? current.by === "address" || silentMs >= flowIdleMs
          : silentMs >= publisherIdleMs && !hasConsent(current, now);
      if (!free) return undefined;
      remove(current, effects);
    }
    const publisher = {
      stream: at.stream,
      identity,
      by,
      flows: new Map(),
      mediaAt: Number.NEGATIVE_INFINITY,
      live: false,
    };
    byStream.set(at.stream.name, publisher);
    return publisher;
  }

  return {
    admitIngest(at, local, from, now, effects) {
      const { stream, component } = at;
      if (!mayFeed(stream, from.address)) return "source-not-allowed";
      const publisher = claim(at, "address", from.address, now, effects);
      if (publisher === undefined) return "publisher-busy";
      let flow = publisher.flows.get(component);
      if (flow === undefined || !sameEndpoint(flow.publisher, from) || !sameEndpoint(flow.local, local)) {
        if (flow !== undefined && now - flow.mediaAt < flowIdleMs) return "publisher-busy";
        flow = setFlow(publisher, at, local, from, effects);
      }
      touch(publisher, flow, component, now, effects);
      return undefined;
    },

    admitKey(at, session, local, from, now, effects) {
      const publisher = claim(at, "key", session, now, effects);
      if (publisher === undefined) return "publisher-busy";
      let flow = publisher.flows.get(at.component);
      if (flow === undefined || !sameEndpoint(flow.publisher, from) || !sameEndpoint(flow.local, local)) {
        flow = setFlow(publisher, at, local, from, effects);
      }
      flow.consentUntil = now + consentLifetimeSeconds * 1000;
      return undefined;
    },

    admitPunchPort(from, now, effects) {
      const known = byRemote.get(formatEndpoint(from));
      if (known === undefined || known.flow.consentUntil <= now) return undefined;
      touch(known.publisher, known.flow, known.at.component, now, effects);
      return known.at;
    },

    leave(at, session, effects) {
      const publisher = byStream.get(at.stream.name);
      if (publisher?.by !== "key" || publisher.identity !== session || !publisher.flows.has(at.component)) return;
      if (publisher.flows.size > 1) dropFlow(publisher, at.component, effects);
      else remove(publisher, effects);
    },

    noteMedia(name, component, now, effects) {
      const publisher = byStream.get(name);
      const flow = publisher?.flows.get(component);
      if (publisher !== undefined && flow !== undefined) touch(publisher, flow, component, now, effects);
    },

    review(stream, effects) {
      const publisher = byStream.get(stream.name);
      if (publisher?.by === "address" && !mayFeed(stream, publisher.identity)) remove(publisher, effects);
    },

    end(stream, effects) {
      const publisher = byStream.get(stream);
      if (publisher !== undefined) remove(publisher, effects);
    },

    save: (now) =>
      [...byStream.values()].map(({ stream, identity, by, flows }) => ({
        ...{ stream: stream.name, identity, by },
        flows: [...flows].map(([component, { local, publisher, consentUntil }]) => {
          return { component, local, publisher, leftMs: Math.max(0, Math.round(consentUntil - now)) };
        }),
      })),

    restore(stream, { identity, by, flows }, { now, agoMs }, effects) {
      const kept = flows.filter(({ component, leftMs }) => {
        return component < stream.components && (by === "address" || leftMs > agoMs);
      });
      if (kept.length === 0 || byStream.has(stream.name)) return;
      // It was live when it was saved: it has as long as any publisher to show that it still is.
      const publisher: Publisher = { stream, identity, by, flows: new Map(), mediaAt: now, live: false };
      byStream.set(stream.name, publisher);
      for (const { component, local, publisher: from, leftMs } of kept) {
        const flow = setFlow(publisher, { stream, component }, local, from, effects);
        flow.consentUntil = now + leftMs - agoMs;
      }
    },

    flowOf: (stream, component) => byStream.get(stream)?.flows.get(component),
    isLive: (stream) => byStream.get(stream)?.live ?? false,

    tick(now, effects) {
      for (const publisher of [...byStream.values()]) {
        const isIdle = now - publisher.mediaAt >= publisherIdleMs;
        // The key's place lasts as long as its consent, an address's as long as its media.
        if (publisher.by === "key" ? !hasConsent(publisher, now) : isIdle) {
          remove(publisher, effects);
          continue;
        }
        for (const [component, flow] of publisher.flows) {
          if (publisher.by === "key" && flow.consentUntil <= now) dropFlow(publisher, component, effects);
        }
        if (publisher.live && isIdle) {
          publisher.live = false;
          tell(publisher, "idle", publisher.flows.keys().next().value ?? 0, effects);
        }
      }
    },
  };
}

function mayFeed({ from }: Stream, address: string): boolean {
  return from.length === 0 || from.some((cidr) => cidrContains(cidr, address));
}

function hasConsent(publisher: Publisher, now: number): boolean {
  return publisher.by === "key" && [...publisher.flows.values()].some((flow) => flow.consentUntil > now);
}
