import { networkInterfaces } from "node:os";
import { addressFamily, normalizeAddress } from "../../core/address.ts";
import {
  type ComponentId,
  carriesRtcp,
  type Flow,
  type ForwardingChange,
  type HoleId,
  type HoleTarget,
} from "../../relay/forwarding.ts";
import type { Counters, DataPlane, PlanePorts } from "../data-plane.ts";
import { lockPlane, type ReleasePlane } from "../nat/plane-lock.ts";
import { createUserspacePlane, type PacketSender } from "../userspace/userspace-plane.ts";
import type { AttachWay } from "./attach.ts";
import { type KernelSide, openKernelSide } from "./kernel-side.ts";
import { createKernelTable, type KernelTable, plus } from "./kernel-table.ts";
import { configOffsets, endpointKey, portKinds } from "./layout.ts";
import { createLeftToUser, type LeftToUser } from "./left-to-user.ts";

/** What an eBPF plane is made with. */
export interface EbpfPlaneOptions {
  /** Sends what the kernel leaves to user space. */
  readonly send: PacketSender;
  /** Told what goes wrong beside the work, with the remedy. */
  readonly warn: (message: string) => void;
  /** The core's limit of unproven requests a second from one prefix; 0: none. */
  readonly requestsPerSecond: number;
  /**
   * Keeps packets that the kernel has sent to every hole from coming up at all; they are counted as unseen. It makes the
   * plane as cheap as routing, for relays whose user space does nothing with media. Default false.
   */
  readonly quiet?: boolean;
  /** Forces a way to attach; default: what the kernel has. */
  readonly way?: AttachWay | undefined;
}

/** Who sends to a hole: the kernel in the fan-out of that IP version, or always user space. */
type Place = "kernel4" | "kernel6" | "user";

interface Placed {
  readonly component: ComponentId;
  readonly target: HoleTarget;
  readonly place: Place;
}

/**
 * The kernel drops what is over this multiple of the core's own limit, before it costs user space anything. Not less, since
 * a viewer that joins sends a proven request for each unproven one, and a publisher some packets before its flow is known;
 * not more, since the core then works through a flood.
 */
const floodFactor = 4;

/**
 * The plane that clones packets in the kernel, at tc ingress (fanout.bpf.c). The original of each packet comes up all the
 * same; `deliver` sends on from user space what the kernel could not: to viewers on this host or of the other IP version,
 * RTCP, fragments, and the packets of the moment before a flow is known.
 */
export function createEbpfPlane({ send, warn, requestsPerSecond, quiet = false, way }: EbpfPlaneOptions): DataPlane {
  // One for each place, so that a packet is delivered to those only that the kernel did not serve.
  const users: Readonly<Record<Place, DataPlane>> = {
    kernel4: createUserspacePlane(send),
    kernel6: createUserspacePlane(send),
    user: createUserspacePlane(send),
  };
  const placed = new Map<HoleId, Placed>();
  const places = new Map<ComponentId, Record<Place, number>>();
  const families = new Map<ComponentId, 4 | 6>();
  let running: { side: KernelSide; table: KernelTable; left: LeftToUser; release: ReleasePlane } | undefined;
  let ports: PlanePorts = { punch: 0, ingest: [] };
  let local = localAddresses();
  let listening = new Set<string>();
  let fullBefore = 0;
  let toldOfQueues = false;
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  }

  /** Holes of user space get everything from there; what the kernel serves is known to `users` for when it does not. */
  function put(hole: HoleId, component: ComponentId, target: HoleTarget, table: KernelTable): void {
    const old = placed.get(hole);
    const wanted = carriesRtcp(component) || local.has(target.remote.address) ? "user" : kernelPlace(target);
    const fits = wanted !== "user" && table.setHole(hole, component, target);
    const place = fits ? wanted : "user";
    if (!fits) table.closeHole(hole);
    if (old !== undefined && old.place !== place) void users[old.place].apply([{ type: "close-hole", hole }]);
    void users[place].apply([{ type: "open-hole", hole, component, target }]);
    if (old !== undefined) table.forgetViewer(old.target);
    table.knowViewer(target);
    placed.set(hole, { component, target, place });
    if (old !== undefined) countPlace(old, -1, table);
    countPlace({ component, place }, 1, table);
  }

  /** Only where every hole is the kernel's can user space do without the packets. */
  function countPlace({ component, place }: Pick<Placed, "component" | "place">, by: number, table: KernelTable): void {
    const counts = places.get(component) ?? { kernel4: 0, kernel6: 0, user: 0 };
    counts[place] += by;
    places.set(component, counts);
    const isOneKind = counts.user === 0 && (counts.kernel4 === 0) !== (counts.kernel6 === 0);
    const family = families.get(component);
    const fits = family !== undefined && counts[family === 4 ? "kernel4" : "kernel6"] > 0;
    if (!carriesRtcp(component)) table.setQuiet(component, quiet && isOneKind && fits);
  }

  function applyOne(change: ForwardingChange, table: KernelTable): void {
    if (change.type === "open-hole") put(change.hole, change.component, change.target, table);
    else if (change.type === "move-hole") {
      const component = placed.get(change.hole)?.component;
      if (component !== undefined) put(change.hole, component, change.target, table);
    } else if (change.type === "close-hole") {
      const old = placed.get(change.hole);
      if (old === undefined) return;
      placed.delete(change.hole);
      table.closeHole(change.hole);
      table.forgetViewer(old.target);
      void users[old.place].apply([change]);
      countPlace(old, -1, table);
    } else if (change.type === "set-flow") {
      table.setFlow(change.component, change.flow, flowKind(change.component, change.flow));
      families.set(change.component, addressFamily(change.flow.publisher.address));
      countPlace({ component: change.component, place: "user" }, 0, table);
    } else table.clearFlow(change.component);
  }

  function flowKind(component: ComponentId, flow: Flow): Parameters<KernelTable["setFlow"]>[2] {
    if (carriesRtcp(component)) return "user";
    return flow.local.port === ports.punch ? "fan-out-beside-stun" : "fan-out";
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
      for (const change of initial) applyOne(change, table);
      table.finishAdoption();
      fullBefore = table.queueFull();
      listen(side);
      await side.attachments.follow();
      const left = createLeftToUser(side.config, side.maps.table("unfanned"));
      running = { side, table, left, release };
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

  async function stop(): Promise<void> {
    if (running === undefined) return;
    const { side, release } = running;
    running = undefined;
    placed.clear();
    places.clear();
    try {
      await side.remove();
    } finally {
      await release();
    }
  }

  return {
    name: "ebpf",
    holesPerComponent: Number.POSITIVE_INFINITY,
    survivesRelay: true,

    start: (on, initial) => {
      ports = on;
      return inTurn(() => start(initial));
    },

    deliver(component, bytes, flow) {
      if (running === undefined) return;
      users.user.deliver(component, bytes, flow);
      const { table, left } = running;
      const isKnown = table.carries(component, flow) || table.carriedLately(flow, monotonicMs());
      const was = isKnown ? left.take(flow, bytes, process.hrtime.bigint()) : "whole";
      if (typeof was === "object") table.sendLeft(component, was.partlyAt, bytes, send);
      const isSent = was !== "whole";
      const family = addressFamily(flow.publisher.address);
      if (!isSent || family === 6) users.kernel4.deliver(component, bytes, flow);
      if (!isSent || family === 4) users.kernel6.deliver(component, bytes, flow);
    },

    apply: (changes) =>
      inTurn(async () => {
        if (running !== undefined) for (const change of changes) applyOne(change, running.table);
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
        return {
          holes: sum([...parts.map(({ holes }) => holes), own?.holes() ?? new Map()]),
          components: sum([...parts.map(({ components }) => components), own?.components() ?? new Map()]),
          unseen: own?.unseen() ?? new Map(),
        };
      }),

    async close() {
      await inTurn(stop);
      for (const user of Object.values(users)) await user.close();
    },
  };
}

function kernelPlace({ local, remote }: HoleTarget): Place {
  if (addressFamily(local.address) !== addressFamily(remote.address)) return "user";
  return addressFamily(remote.address) === 4 ? "kernel4" : "kernel6";
}

/** bpf_ktime_get_ns in milliseconds: both read CLOCK_MONOTONIC. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function localAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  return new Set(all.flatMap(({ address }) => normalizeAddress(address) ?? []));
}
