import type { Clock } from "../core/clock.ts";
import type { ComponentId, ForwardingChange, HoleId, HoleTarget } from "../relay/forwarding.ts";
import { createRateMeter } from "../rtp/rate-meter.ts";

/** What a component's newcomers are shown first: the packets since the last key frame. */
export interface Past {
  /** Where to begin; `undefined` if there is nothing that would make a picture. */
  start(): number | undefined;
  /** The packet at the cursor, or the oldest one after it that is still kept, and where to read on. */
  read(cursor: number): { readonly bytes: Uint8Array; readonly atMs: number; readonly next: number } | undefined;
}

/** What replays need of their surroundings. */
export interface ReplaySurroundings {
  /** `undefined`: this component's newcomers join live. */
  pastOf(component: ComponentId): Past | undefined;
  send(target: HoleTarget, bytes: Uint8Array): void;
  /**
   * Has the data plane open the hole: `onOpen` is called at the moment when the past has all that the plane will not send to
   * it, and nothing else; resolves when the plane is done, or has failed.
   */
  open(change: ForwardingChange & { type: "open-hole" }, onOpen: () => void): Promise<unknown>;
  readonly clock: Clock;
}

/** Shows newcomers what has been since the last key frame, then lets them join live. */
export interface Replays {
  /** Keeps back the holes that catch up first, and returns the changes that are the data plane's now. */
  take(changes: readonly ForwardingChange[]): ForwardingChange[];
  /** How many holes are catching up. */
  readonly size: number;
  /** Packets that were sent again from the past, since the start. */
  readonly packets: number;
  /** Ends all, without letting anybody join. */
  close(): void;
}

/** A past second takes half a second, so a newcomer costs the network no more than two viewers. */
const speed = 2;

/** Fine enough that the packets of two frames at 60 a second do not become one burst. */
const stepMs = 5;

/**
 * Holes that catch up at a time, of all streams, and packets that they may be sent in a second: a fifth of what one core can
 * send. Who comes beyond that joins live, so a crowd at the door starves nobody.
 */
const mostReplays = 64;
const mostPerSecond = 20_000;

interface Replay {
  readonly change: ForwardingChange & { type: "open-hole" };
  readonly past: Past;
  target: HoleTarget;
  cursor: number;
  readonly startedAt: number;
  /** When the first packet had come. */
  readonly beganMs: number;
  isJoining: boolean;
}

/** None at first. */
export function createReplays({ pastOf, send, open, clock }: ReplaySurroundings): Replays {
  const replays = new Map<HoleId, Replay>();
  // Counts packets: each is one.
  const rate = createRateMeter();
  let stop: (() => void) | undefined;
  let packets = 0;

  function hasRoom(): boolean {
    return replays.size < mostReplays && rate.bytesPerSecond(clock.now()) < mostPerSecond;
  }

  function begin(change: ForwardingChange & { type: "open-hole" }): boolean {
    const past = hasRoom() ? pastOf(change.component) : undefined;
    const cursor = past?.start();
    const first = cursor === undefined ? undefined : past?.read(cursor);
    if (past === undefined || cursor === undefined || first === undefined) return false;
    const replay = { change, past, cursor, target: change.target, isJoining: false };
    replays.set(change.hole, { ...replay, startedAt: clock.now(), beganMs: first.atMs });
    stop ??= clock.schedule(0, step);
    return true;
  }

  function step(): void {
    const now = clock.now();
    for (const [hole, replay] of replays) if (!replay.isJoining && advance(replay, now)) join(hole, replay);
    stop = replays.size > 0 ? clock.schedule(stepMs, step) : undefined;
  }

  const read = ({ past, cursor }: Replay): ReturnType<Past["read"]> => past.read(cursor);

  /** Sends what is due; true when the present is reached, or the past has been given up. */
  function advance(replay: Replay, now: number): boolean {
    const until = replay.isJoining ? Number.POSITIVE_INFINITY : replay.beganMs + (now - replay.startedAt) * speed;
    for (let packet = read(replay); packet !== undefined; packet = read(replay)) {
      if (packet.atMs > until) return false;
      send(replay.target, packet.bytes);
      replay.cursor = packet.next;
      packets += 1;
      rate.onPacket(1, now);
    }
    return true;
  }

  /** What comes until the plane has opened the hole is still sent from here, so there is neither a gap nor a packet twice. */
  function join(hole: HoleId, replay: Replay): void {
    replay.isJoining = true;
    const finish = (): void => {
      if (replays.get(hole) !== replay) return;
      advance(replay, clock.now());
      replays.delete(hole);
    };
    open({ ...replay.change, target: replay.target }, finish).then(finish, finish);
  }

  function takeOne(change: ForwardingChange): boolean {
    if (change.type === "open-hole") return begin(change);
    if (change.type !== "move-hole" && change.type !== "close-hole") return false;
    const replay = replays.get(change.hole);
    if (replay === undefined) return false;
    const isKnown = replay.isJoining;
    if (change.type === "close-hole") replays.delete(change.hole);
    else replay.target = change.target;
    // The plane has been told of the hole already, so this change is its own, too.
    return !isKnown;
  }

  return {
    take: (changes) => changes.filter((change) => !takeOne(change)),
    get size() {
      return replays.size;
    },
    get packets() {
      return packets;
    },
    close() {
      stop?.();
      replays.clear();
    },
  };
}
