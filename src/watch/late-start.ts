import type { Clock } from "../core/clock.ts";
import type { StreamCache } from "../media/stream-cache.ts";

/** Gives a player that comes late what came since the last key frame, and then the stream live, without gap or repetition. */
export interface LateStart {
  /** A packet has come, and lies in the cache already. */
  deliver(component: number, bytes: Uint8Array): void;
  /** What was sent last for this component came to a port that nobody listens on. */
  refused(component: number): void;
  close(): void;
}

/** What a late start works with. */
export interface LateStartOptions {
  readonly cache: StreamCache;
  /** Hands a packet, which belongs to the callee, to the player's port of the component. */
  readonly send: (component: number, bytes: Uint8Array) => void;
  /** Bytes that the player's socket buffers surely have room for, its kernel's bookkeeping included. */
  readonly room: () => Promise<number>;
  readonly clock: Clock;
}

/**
 * - `absent`: nobody listens, as far as is known. Packets stay in the cache; without a start there, they go out.
 * - `asked`: the first packet has gone out; if it is not refused until the next tick, somebody has it.
 * - `behind`: the player gets what it missed.
 * - `live`: packets go straight through.
 */
type State = "absent" | "asked" | "behind" | "live";

/** One component of media on its way to the player. */
interface Way {
  state: State;
  /** The next packet in the cache. */
  cursor: number;
  /** What went out since the last tick, if none was refused. */
  passed: Uint8Array[];
  /** Ticks until it is asked for again whether somebody listens. */
  pauseTicks: number;
}

/**
 * How often the player's port is asked and what was missed goes on: 10 ms. Not more, since twice that is what a player's
 * first picture waits; not less, since half a tick must be enough for the news that nobody listens.
 */
const tickMs = 10;

/** Asked every other tick at most: macOS answers 250 refused datagrams a second (net.inet.icmp.icmplim), of all programs. */
const pauseTicks = 1;

/** A player opens its ports one after the other; what it gets on them begins at one moment, for ports opened within 2 s. */
const togetherMs = 2_000;

/** What a datagram takes of a socket's buffer beside its own bytes: under 1 KiB on Linux. */
const datagramOverheadBytes = 1_024;

/** RTCP (the odd components) tells nothing that could be missed: it always goes straight through. */
const isRtcp = (component: number): boolean => component % 2 === 1;

/** A way to a player that is not there yet. */
export function createLateStart(options: LateStartOptions): LateStart {
  const { cache, send, room, clock } = options;
  const ways = new Map<number, Way>();
  /** Where the other components begin once one of them has begun. */
  let together = new Map<number, number>();
  let togetherUntil = 0;
  let cancelTick: (() => void) | undefined;
  let isPumping = false;
  let liveBytes = 0;
  let closed = false;

  function wayOf(component: number): Way {
    let way = ways.get(component);
    if (way === undefined) {
      way = { state: "absent", cursor: 0, passed: [], pauseTicks: 0 };
      ways.set(component, way);
    }
    return way;
  }

  function startTicking(): void {
    if (closed) return;
    cancelTick ??= clock.schedule(tickMs, tick);
  }

  function tick(): void {
    cancelTick = undefined;
    for (const [component, way] of ways) {
      if (way.state === "asked") begin(component, way);
      else if (way.state === "absent") ask(component, way);
    }
    const states = [...ways.values()].map(({ state }) => state);
    if (states.includes("behind") && !isPumping) void pump(liveBytes);
    liveBytes = 0;
    if (states.some((state) => state !== "live")) startTicking();
  }

  function ask(component: number, way: Way): void {
    const pinned = clock.now() < togetherUntil ? together.get(component) : undefined;
    const start = pinned ?? cache.start(component);
    const { passed } = way;
    way.passed = [];
    if (start === undefined) {
      if (passed.length > 0) way.state = "live";
      return;
    }
    way.pauseTicks -= 1;
    if (way.pauseTicks >= 0) return;
    way.pauseTicks = pauseTicks;
    const first = cache.read(component, start);
    if (first === undefined) return;
    way.state = "asked";
    way.cursor = first.next;
    if (!includes(passed, first.bytes)) {
      send(component, first.bytes.slice());
      return;
    }
    // It showed to be the beginning of a key frame only when it had gone out already, and more with it.
    for (let next = cache.read(component, way.cursor); next !== undefined && includes(passed, next.bytes); ) {
      way.cursor = next.next;
      next = cache.read(component, way.cursor);
    }
  }

  /** The first packet was taken: the rest follows. */
  function begin(component: number, way: Way): void {
    way.state = "behind";
    if (clock.now() >= togetherUntil) {
      togetherUntil = clock.now() + togetherMs;
      together = new Map([...ways.keys()].flatMap((other) => pairWith(other, cache.start(other))));
    }
    const report = cache.read(component + 1, cache.start(component + 1) ?? Number.POSITIVE_INFINITY);
    if (report !== undefined) send(component + 1, report.bytes.slice());
  }

  async function pump(cameIn: number): Promise<void> {
    isPumping = true;
    // At least twice what came in since the last tick, or a fast stream would never be caught up with.
    let left = Math.max(await room(), 2 * cameIn);
    isPumping = false;
    while (!closed && left > 0) {
      const next = takeEarliest();
      if (next === undefined) return;
      left -= next.bytes.length + datagramOverheadBytes;
      send(next.component, next.bytes);
    }
  }

  /** The packet that came first of those that are missing, over all components; who misses none is live. */
  function takeEarliest(): { readonly component: number; readonly bytes: Uint8Array } | undefined {
    let earliest: { readonly component: number; readonly way: Way; readonly atMs: number } | undefined;
    for (const [component, way] of ways) {
      if (way.state !== "behind") continue;
      const atMs = cache.read(component, way.cursor)?.atMs;
      if (atMs === undefined) way.state = "live";
      else if (earliest === undefined || atMs < earliest.atMs) earliest = { component, way, atMs };
    }
    if (earliest === undefined) return undefined;
    const { component, way } = earliest;
    const packet = cache.read(component, way.cursor);
    if (packet === undefined) return undefined;
    way.cursor = packet.next;
    // A copy: sockets may keep it for a while, and the cache's memory is used again.
    return { component, bytes: packet.bytes.slice() };
  }

  return {
    deliver(component, bytes) {
      if (isRtcp(component)) {
        send(component, bytes);
        return;
      }
      const way = wayOf(component);
      if (way.state === "live") {
        send(component, bytes);
        return;
      }
      startTicking();
      liveBytes += bytes.length + datagramOverheadBytes;
      if (way.state !== "absent" || cache.start(component) !== undefined) return;
      way.passed.push(bytes);
      send(component, bytes);
    },

    refused(component) {
      const way = ways.get(component);
      if (way === undefined) return;
      // It was there and has gone: the next one begins anew.
      if (way.state === "behind" || way.state === "live") togetherUntil = 0;
      way.state = "absent";
      way.passed = [];
      startTicking();
    },

    close() {
      closed = true;
      cancelTick?.();
    },
  };
}

const includes = (packets: readonly Uint8Array[], bytes: Uint8Array): boolean =>
  packets.some((each) => Buffer.compare(each, bytes) === 0);

function pairWith(component: number, start: number | undefined): [number, number][] {
  return start === undefined ? [] : [[component, start]];
}
