import { type Endpoint, formatEndpoint, sameEndpoint } from "../core/address.ts";
import type { Effects, HoleCloseReason } from "./events.ts";
import type { ComponentId, HoleId } from "./forwarding.ts";
import { consentLifetimeSeconds, type Limits } from "./limits.ts";
import type { Stream } from "./stream.ts";

/** A hole in a viewer's NAT: (stream, component) → mapped address, with consent. */
export interface Hole {
  readonly id: HoleId;
  readonly stream: Stream;
  readonly component: number;
  readonly by: "key" | "bare";
  /** The relay's address and port that the viewer punched to. */
  readonly local: Endpoint;
  /** The viewer's mapped address. */
  readonly remote: Endpoint;
  /** When it opened, in the core's milliseconds. */
  readonly openedAt: number;
  /** When it closes unless consent is renewed, in the core's milliseconds. */
  readonly expiresAt: number;
}

/** The limit that refused a hole. */
export type HoleRefusal = "one-viewer-only" | "holes-per-address" | "holes-per-stream" | "holes-total" | "bare-holes";

/** What opening or renewing a hole asks for. */
export interface HoleRequest extends Pick<Hole, "id" | "stream" | "component" | "by" | "local" | "remote"> {}

/** All open holes. */
export interface Holes {
  /**
   * Opens the hole, renews its consent, or moves it to the address it is now punched from: whichever is needed. Consent
   * then lasts `lifetimeMs`, by default the 30 s that every proof gives.
   */
  renew(request: HoleRequest, now: number, effects: Effects, lifetimeMs?: number): HoleRefusal | undefined;
  get(id: HoleId): Hole | undefined;
  /** The hole whose viewer has this mapped address. */
  at(remote: Endpoint): Hole | undefined;
  /** Closes a hole; nothing happens if there is none. */
  close(id: HoleId, reason: HoleCloseReason, effects: Effects): void;
  /** Closes the holes whose consent expired. */
  tick(now: number, effects: Effects): void;
  /** How many holes are open, of a stream or of all. */
  count(stream?: string): number;
  /** Every open hole. */
  values(): Iterable<Hole>;
}

/** An ousted viewer asks at least every 6 s; after a minute without a word it is gone, and may come back as a new one. */
const loserMemoryMs = 60_000;

/**
 * A table of holes under `limits`, empty at first. `holesPerComponent` is what the data plane has room for; on a stream with
 * `takeover` the newest hole gets it.
 */
export function createHoles(limits: Limits, holesPerComponent: number = Number.POSITIVE_INFINITY): Holes {
  const byId = new Map<HoleId, Hole>();
  const byRemote = new Map<string, Hole>();
  const perAddress = new Map<string, number>();
  const perStream = new Map<string, number>();
  const perComponent = new Map<ComponentId, Hole[]>();
  /** Holes that were ousted, and until when that is remembered. */
  const losers = new Map<HoleId, number>();
  let bare = 0;

  function add(hole: Hole): void {
    byId.set(hole.id, hole);
    byRemote.set(formatEndpoint(hole.remote), hole);
    count(perAddress, hole.remote.address, 1);
    count(perStream, hole.stream.name, 1);
    const component = idOf(hole);
    perComponent.set(component, [...(perComponent.get(component) ?? []), hole]);
    if (hole.by === "bare") bare += 1;
  }

  function remove(hole: Hole): void {
    byId.delete(hole.id);
    byRemote.delete(formatEndpoint(hole.remote));
    count(perAddress, hole.remote.address, -1);
    count(perStream, hole.stream.name, -1);
    const component = idOf(hole);
    perComponent.set(component, perComponent.get(component)?.filter(({ id }) => id !== hole.id) ?? []);
    if (hole.by === "bare") bare -= 1;
  }

  /** The limit that the table would exceed with this hole in it and without those that `makeWay` for it. */
  function refusal(request: HoleRequest, makeWay: readonly Hole[]): HoleRefusal | undefined {
    const freed = (counts: (hole: Hole) => boolean): number => makeWay.filter(counts).length;
    const { address } = request.remote;
    const { name } = request.stream;
    const here = (perAddress.get(address) ?? 0) - freed(({ remote }) => remote.address === address);
    if (here >= limits.holesPerAddress) return "holes-per-address";
    if ((perStream.get(name) ?? 0) - freed(({ stream }) => stream.name === name) >= limits.holesPerStream)
      return "holes-per-stream";
    const others = perComponent.get(idOf(request))?.filter((hole) => !makeWay.includes(hole)) ?? [];
    if (others.length >= holesPerComponent) return "one-viewer-only";
    if (byId.size - makeWay.length >= limits.holesTotal) return "holes-total";
    if (request.by === "bare" && bare - freed(({ by }) => by === "bare") >= limits.bareHoles) return "bare-holes";
    return undefined;
  }

  /** The holes that a newcomer takes the place of, where there is no place beside them. */
  function oustedBy(request: HoleRequest): Hole[] {
    const others = perComponent.get(idOf(request))?.filter(({ id }) => id !== request.id) ?? [];
    return others.length >= holesPerComponent ? others : [];
  }

  function close(id: HoleId, reason: HoleCloseReason, effects: Effects): void {
    const hole = byId.get(id);
    if (hole === undefined) return;
    remove(hole);
    effects.changes.push({ type: "close-hole", hole: id });
    effects.events.push({ event: "hole-closed", ...describe(hole), reason });
  }

  return {
    renew(request, now, effects, lifetimeMs = consentLifetimeSeconds * 1000) {
      const old = byId.get(request.id);
      const hole: Hole = { ...request, openedAt: old?.openedAt ?? now, expiresAt: now + lifetimeMs };
      const stays = old !== undefined && sameEndpoint(old.remote, hole.remote);
      if (old !== undefined && stays && sameEndpoint(old.local, hole.local)) {
        byId.set(hole.id, hole);
        byRemote.set(formatEndpoint(hole.remote), hole);
        return undefined;
      }
      // One mapped address is one socket of one viewer: two holes to it would deliver everything twice.
      const holder = byRemote.get(formatEndpoint(hole.remote));
      const other = holder?.id === hole.id ? undefined : holder;
      // Who was ousted asks on, and would oust in turn: it may have a free place only.
      const mayOust = hole.stream.takeover === true && !losers.has(hole.id);
      if (losers.has(hole.id)) losers.set(hole.id, now + loserMemoryMs);
      const ousted = mayOust ? oustedBy(request) : [];
      const refused = refusal(
        request,
        [old, other, ...ousted].filter((gone) => gone !== undefined),
      );
      if (refused !== undefined) return refused;
      if (other !== undefined) close(other.id, "replaced", effects);
      losers.delete(hole.id);
      for (const { id } of ousted) {
        close(id, "taken-over", effects);
        losers.set(id, now + loserMemoryMs);
      }
      if (old !== undefined) remove(old);
      add(hole);
      const target = { local: hole.local, remote: hole.remote };
      if (old === undefined) {
        const component = hole.stream.componentIds[hole.component] ?? "";
        effects.changes.push({ type: "open-hole", hole: hole.id, component, target });
        effects.events.push({
          event: "hole-opened",
          ...describe(hole),
          by: hole.by,
          relay: formatEndpoint(hole.local),
        });
      } else {
        effects.changes.push({ type: "move-hole", hole: hole.id, target });
        if (!stays)
          effects.events.push({ event: "hole-moved", ...describe(hole), previous: formatEndpoint(old.remote) });
      }
      return undefined;
    },

    get: (id) => byId.get(id),
    at: (remote) => byRemote.get(formatEndpoint(remote)),
    close,

    tick(now, effects) {
      for (const hole of byId.values()) if (hole.expiresAt <= now) close(hole.id, "expired", effects);
      for (const [id, until] of losers) if (until <= now) losers.delete(id);
    },

    count: (stream) => (stream === undefined ? byId.size : (perStream.get(stream) ?? 0)),
    values: () => byId.values(),
  };
}

function count(counts: Map<string, number>, key: string, delta: number): void {
  const next = (counts.get(key) ?? 0) + delta;
  if (next > 0) counts.set(key, next);
  else counts.delete(key);
}

function idOf({ stream, component }: Pick<Hole, "stream" | "component">): ComponentId {
  return stream.componentIds[component] ?? "";
}

function describe(hole: Hole): { hole: HoleId; stream: string; component: number; mapped: string } {
  return { hole: hole.id, stream: hole.stream.name, component: hole.component, mapped: formatEndpoint(hole.remote) };
}
