import { networkInterfaces } from "node:os";
import { addressFamily, normalizeAddress } from "../../core/address.ts";
import { type Clock, monotonicMs, scheduleEvery, systemClock } from "../../core/clock.ts";
import type { ComponentId, ForwardingChange } from "../../relay/forwarding.ts";
import {
  type Counters,
  type DataPlane,
  type MediaListener,
  type PlaneCounters,
  type PlanePorts,
  tellMediaMs,
} from "../data-plane.ts";
import { lockPlane, type ReleasePlane } from "../nat/plane-lock.ts";
import { createUserspacePlane, type PacketSender, type UserspacePlane } from "../userspace/userspace-plane.ts";
import type { AttachWay } from "./attach.ts";
import { type KernelSide, openKernelSide } from "./kernel-side.ts";
import { createKernelTable, type KernelTable } from "./kernel-table.ts";
import { plus } from "./kernel-values.ts";
import { configOffsets, endpointKey, portKinds, ringBytes } from "./layout.ts";
import { createLeftToUser, type LeftToUser } from "./left-to-user.ts";
import { createMediaTap, type MediaTap } from "./media-tap.ts";
import { createPlacement, type Place, type Placement } from "./placement.ts";

/** What an eBPF plane is made with. */
export interface EbpfPlaneOptions {
  /** Sends what the kernel leaves to user space. */
  readonly send: PacketSender;
  /** Told what goes wrong beside the work, with the remedy. */
  readonly warn: (message: string) => void;
  /** The core's limit of unproven requests a second from one prefix; 0: none. */
  readonly requestsPerSecond: number;
  /** Told a few times a second, while media flows, what the kernel carried that never came up. Default: nobody. */
  readonly onUnseen?: (unseen: PlaneCounters["unseen"]) => void;
  /** Sees the media that the kernel carried. Default: nobody, and nothing is copied. */
  readonly onMedia?: MediaListener;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Forces a way to attach; default: what the kernel has. */
  readonly way?: AttachWay | undefined;
}

/**
 * The kernel drops what is over this multiple of the core's own limit, before it costs user space anything. Not less, since
 * a viewer that joins sends a proven request for each unproven one, and a publisher some packets before its flow is known;
 * not more, since the core then works through a flood.
 */
const floodFactor = 4;

/**
 * How often `onUnseen` is told. Not less often, since a publisher counts as silent after a second; not more often, since every
 * component's counters are read.
 */
const unseenMs = 250;

const allPlaces: readonly Place[] = ["user", "kernel4", "kernel6"];

/** All that runs while the plane does. */
interface Running {
  readonly side: KernelSide;
  readonly table: KernelTable;
  readonly placement: Placement;
  readonly left: LeftToUser;
  readonly tap: MediaTap | undefined;
  stopTelling(): void;
  readonly release: ReleasePlane;
}

/**
 * The plane that clones packets in the kernel, at tc ingress (fanout.bpf.c). A packet comes up only if the kernel could not
 * send it to every hole; `deliver` then sends it on from user space to those that are left: viewers on this host or of the
 * other IP version, RTCP, fragments, and the packets of the moment before a flow is known.
 */
export function createEbpfPlane(options: EbpfPlaneOptions): DataPlane {
  const { send, warn, requestsPerSecond, onUnseen, onMedia, clock = systemClock, way } = options;
  // One for each place, so that a packet is delivered to those only that the kernel did not serve.
  const users: Readonly<Record<Place, UserspacePlane>> = {
    kernel4: createUserspacePlane(send),
    kernel6: createUserspacePlane(send),
    user: createUserspacePlane(send),
  };
  let running: Running | undefined;
  let ports: PlanePorts = { punch: 0, ingest: [] };
  let local = localAddresses();
  let listening = new Set<string>();
  let fullBefore = 0;
  let toldOfQueues = false;
  let toldOfRing = false;
  let tellWithinMs = tellMediaMs;
  let last: Promise<unknown> = Promise.resolve();

  function sendTo(places: readonly Place[], component: ComponentId, bytes: Uint8Array): void {
    for (const place of places) users[place].deliver(component, bytes);
  }

  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  }

  /** Tells the kernel the addresses and ports of the relay, which it guards against floods. */
  function listen({ maps }: KernelSide): void {
    const table = maps.table("listening");
    const wanted = new Map<string, number>();
    for (const address of local) {
      wanted.set(endpointKey({ address, port: ports.punch }).toString("hex"), portKinds.punch);
      for (const port of ports.ingest) {
        wanted.set(endpointKey({ address, port }).toString("hex"), portKinds.ingest);
      }
    }
    if (wanted.size === listening.size && [...wanted.keys()].every((key) => listening.has(key))) return;
    for (const key of table.keys()) if (!wanted.has(key.toString("hex"))) table.delete(key);
    for (const [key, kind] of wanted) table.set(Buffer.from(key, "hex"), Buffer.from([kind, 0, 0, 0]));
    listening = new Set(wanted.keys());
  }

  async function start(initial: readonly ForwardingChange[]): Promise<void> {
    const release = await lockPlane("ebpf");
    let side: KernelSide | undefined;
    try {
      side = await openKernelSide(way);
      const rate = requestsPerSecond * floodFactor;
      side.config[configOffsets.interval / 8] = rate > 0 ? BigInt(Math.round(1e9 / rate)) : 0n;
      side.config[configOffsets.burst / 8] = 1_000_000_000n;
      const table = createKernelTable(side.maps, monotonicMs);
      const placement = createPlacement({
        ...{ users, table, punchPort: ports.punch, isLocal: (address) => local.has(address) },
        whereQuiet: onMedia === undefined ? "nowhere" : "ring",
      });
      for (const change of initial) placement.apply(change);
      table.finishAdoption();
      fullBefore = table.queueFull();
      listen(side);
      await side.attachments.follow();
      const left = createLeftToUser(side.config, side.maps.table("unfanned"));
      const { kernel, maps } = side;
      const ring = maps.fds.get("tap") ?? -1;
      const { componentOf } = table;
      const tap =
        onMedia &&
        createMediaTap(kernel, {
          ...{ ring, componentOf, onMedia, clock, kernelMs: monotonicMs },
          onWalked(component, walked, bytes) {
            table.sendLate(component, walked, { bytes, send });
            const others = placement.others(component, walked.family);
            if (others.length > 0) sendTo(others, component, bytes.slice());
          },
        });
      tap?.lookEvery(tellWithinMs);
      tap?.follow(table.hasFlows());
      const stopTelling = onUnseen ? scheduleEvery(clock, unseenMs, () => onUnseen(table.unseen())) : () => {};
      running = { side, table, placement, left, tap, stopTelling, release };
    } catch (error) {
      if (side?.adopted === false) await side.remove().catch(() => {});
      await release();
      throw error;
    }
  }

  /** Once: the remedy is the same for every packet, and the counters go on telling. */
  function tellOfFullQueues(total: number): void {
    if (total === fullBefore || toldOfQueues) return;
    toldOfQueues = true;
    warn(
      `${total - fullBefore} clones found a full queue and were lost: raise net.core.netdev_max_backlog (towards containers and virtual machines) or the interface's queue (ip link set dev … txqueuelen 10000) above viewers × packets per frame.`,
    );
  }

  function tellOfFullRing(total: number): void {
    if (total === 0 || toldOfRing) return;
    toldOfRing = true;
    warn(
      `${total} packets reached the viewers but not this process, which was busy for longer than its ring of ${ringBytes >> 20} MB lasts: give it more of a CPU.`,
    );
  }

  async function stop(): Promise<void> {
    if (running === undefined) return;
    const { side, tap, stopTelling, release } = running;
    running = undefined;
    stopTelling();
    tap?.close();
    try {
      await side.remove();
    } finally {
      await release();
    }
  }

  return {
    name: "ebpf",
    holesPerComponent: Number.POSITIVE_INFINITY,
    showsMedia: true,
    survivesRelay: true,

    start: (on, initial) => {
      ports = on;
      return inTurn(() => start(initial));
    },

    setPorts: (on) =>
      inTurn(async () => {
        ports = on;
        if (running !== undefined) listen(running.side);
      }),

    deliver(component, bytes, flow) {
      if (running === undefined) return;
      const { table, placement, left } = running;
      const isKnown = table.carries(component, flow) || table.carriedLately(flow, monotonicMs());
      const was = left.take(flow, bytes, process.hrtime.bigint()) ?? (isKnown ? undefined : "whole");
      if (was === "whole") return sendTo(allPlaces, component, bytes);
      const family = addressFamily(flow.publisher.address);
      sendTo(placement.others(component, family), component, bytes);
      table.sendLeft(component, family, was, { bytes, send });
    },

    tellMediaWithin(ms) {
      tellWithinMs = ms;
      running?.tap?.lookEvery(ms);
    },

    showMedia: () => running?.tap?.look(),

    apply: (changes, onOpen) =>
      inTurn(async () => {
        if (running === undefined) return;
        for (const change of changes) {
          // What a newcomer is sent from now on is late if it was carried by now: the less, the less is out of order.
          running.tap?.look();
          if (change.type === "open-hole") onOpen?.(change.hole);
          running.placement.apply(change);
        }
        running.tap?.look();
        running.tap?.follow(running.table.hasFlows());
      }),

    renew(consents) {
      if (running === undefined) return;
      for (const [hole, leftMs] of consents) running.table.renew(hole, leftMs);
      local = localAddresses();
      listen(running.side);
      inTurn(async () => running?.side.attachments.follow()).catch((error: unknown) =>
        warn(error instanceof Error ? error.message : String(error)),
      );
    },

    readCounters: () =>
      inTurn(async () => {
        const parts = await Promise.all(Object.values(users).map((user) => user.readCounters()));
        const sum = (maps: readonly ReadonlyMap<string, Counters>[]): Map<string, Counters> => {
          const total = new Map<string, Counters>();
          for (const map of maps) for (const [id, counters] of map) total.set(id, plus(total.get(id), counters));
          return total;
        };
        const own = running?.table;
        tellOfFullQueues(own?.queueFull() ?? 0);
        tellOfFullRing(own?.untapped() ?? 0);
        return {
          holes: sum([...parts.map(({ holes }) => holes), own?.holes() ?? new Map()]),
          components: sum([...parts.map(({ components }) => components), own?.components() ?? new Map()]),
          unseen: own?.unseen() ?? new Map(),
          notSent: own?.notSent() ?? new Map(),
        };
      }),

    async close() {
      await inTurn(stop);
      for (const user of Object.values(users)) await user.close();
    },
  };
}

function localAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  return new Set(all.flatMap(({ address }) => normalizeAddress(address) ?? []));
}
