import { formatEndpoint } from "../../../core/address.ts";
import type { HoleId, HoleTarget } from "../../../relay/forwarding.ts";
import { createDestinations, type Destinations, type Failure } from "../../../udp/native/destinations.ts";
import { errno, type Libc } from "../../../udp/native/libc.ts";
import type { PacketRun } from "../../../udp/native/packet-run.ts";
import type { Counters } from "../../data-plane.ts";

/** One component's holes: those that are reached through one of the relay's sockets form a group. */
export interface FanOut {
  /** How many holes are open. */
  readonly size: number;
  open(id: HoleId, target: HoleTarget): void;
  move(id: HoleId, target: HoleTarget): void;
  close(id: HoleId): void;
  /** Sends the packets of the run to every hole and counts them. */
  send(): void;
  /** Of each open hole, since it opened. */
  holes(): Iterable<readonly [HoleId, Counters]>;
  /** Of all holes that ever were. */
  total(): Counters;
  free(): void;
}

/** What the fan-outs of one thread share. */
export interface FanOutHost {
  readonly libc: Libc;
  readonly run: PacketRun;
  /** Whether packets of a run go out as one message. */
  readonly segmentation: boolean;
  /** The socket bound to a local address (`formatEndpoint`), if there is one. */
  socketAt(local: string): number | undefined;
}

interface Tally {
  packets: number;
  bytes: number;
  drops: number;
}

/** A list of destinations and whose they are, slot by slot. */
interface Lane {
  readonly destinations: Destinations;
  readonly holes: Hole[];
  /** What was sent to each of them since the lane was made: a hole's own figure is the difference since it joined. */
  readonly offered: Tally;
}

interface Group {
  /** The relay's own address, as `formatEndpoint` writes it. */
  readonly local: string;
  readonly segmented: Lane;
  /** Holes on whose way segmentation is refused: a device without checksums, or packets longer than the path takes. */
  readonly plain: Lane;
}

interface Hole {
  readonly id: HoleId;
  target: HoleTarget;
  group: Group;
  lane: Lane;
  slot: number;
  /** What it got, less what its lane had been offered when it joined. */
  readonly own: Tally;
}

/** Refusals that hold for segmented messages only: the same packets one by one may well go. */
const segmentationRefusals: readonly number[] = [errno.EIO, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOPROTOOPT];

/** Without holes at first. */
export function createFanOut(host: FanOutHost): FanOut {
  const groups = new Map<string, Group>();
  const holes = new Map<HoleId, Hole>();
  const closed: Tally = { packets: 0, bytes: 0, drops: 0 };

  const createLane = (): Lane => ({
    destinations: createDestinations(host.libc, host.run),
    holes: [],
    offered: { packets: 0, bytes: 0, drops: 0 },
  });

  function groupAt({ address, port }: HoleTarget["local"]): Group {
    const local = formatEndpoint({ address, port });
    const group = groups.get(local) ?? { local, segmented: createLane(), plain: createLane() };
    groups.set(local, group);
    return group;
  }

  function join(hole: Hole, lane: Lane): void {
    hole.lane = lane;
    hole.slot = lane.holes.length;
    hole.own.packets -= lane.offered.packets;
    hole.own.bytes -= lane.offered.bytes;
    lane.holes.push(hole);
    lane.destinations.add(hole.target.remote);
  }

  function leave(hole: Hole): void {
    const { lane, slot, own } = hole;
    own.packets += lane.offered.packets;
    own.bytes += lane.offered.bytes;
    lane.destinations.remove(slot);
    const last = lane.holes.pop();
    if (last === undefined || last === hole) return;
    lane.holes[slot] = last;
    last.slot = slot;
  }

  function figures({ own, lane }: Hole): Counters {
    const { packets, bytes } = lane.offered;
    return { packets: own.packets + packets, bytes: own.bytes + bytes, drops: own.drops };
  }

  function drop(hole: Hole, packets: number, bytes: number): void {
    hole.own.packets -= packets;
    hole.own.bytes -= bytes;
    hole.own.drops += packets;
  }

  function offer(lane: Lane, packets: number, bytes: number): void {
    lane.offered.packets += packets;
    lane.offered.bytes += bytes;
  }

  /** Sends the whole run with one message a hole; who cannot have it so goes over to the plain lane. */
  function sendRun({ segmented, plain }: Group, fd: number): void {
    const { run } = host;
    const failures = segmented.destinations.sendRun(fd);
    offer(segmented, run.count, run.bytes);
    if (failures.length === 0) return;
    const refused: Hole[] = [];
    for (const { slot, errno: reason } of failures) {
      const hole = segmented.holes[slot];
      if (hole === undefined) continue;
      hole.own.packets -= run.count;
      hole.own.bytes -= run.bytes;
      if (run.count > 1 && segmentationRefusals.includes(reason)) refused.push(hole);
      else hole.own.drops += run.count;
    }
    for (const hole of refused) {
      leave(hole);
      join(hole, plain);
    }
  }

  function sendSingly({ plain }: Group, fd: number): void {
    const { run } = host;
    for (let index = 0; index < run.count; index += 1) {
      const length = run.length(index);
      const failures: readonly Failure[] = plain.destinations.sendPacket(fd, index);
      offer(plain, 1, length);
      for (const { slot } of failures) {
        const hole = plain.holes[slot];
        if (hole !== undefined) drop(hole, 1, length);
      }
    }
  }

  function dropAll(lane: Lane): void {
    offer(lane, host.run.count, host.run.bytes);
    for (const hole of lane.holes) drop(hole, host.run.count, host.run.bytes);
  }

  return {
    get size() {
      return holes.size;
    },

    open(id, target) {
      if (holes.has(id)) return this.move(id, target);
      const group = groupAt(target.local);
      const lane = host.segmentation ? group.segmented : group.plain;
      const hole: Hole = { id, target, group, lane, slot: 0, own: { packets: 0, bytes: 0, drops: 0 } };
      holes.set(id, hole);
      join(hole, lane);
    },

    move(id, target) {
      const hole = holes.get(id);
      if (hole === undefined) return;
      leave(hole);
      hole.target = target;
      hole.group = groupAt(target.local);
      join(hole, host.segmentation ? hole.group.segmented : hole.group.plain);
    },

    close(id) {
      const hole = holes.get(id);
      if (hole === undefined) return;
      holes.delete(id);
      leave(hole);
      closed.packets += hole.own.packets;
      closed.bytes += hole.own.bytes;
      closed.drops += hole.own.drops;
    },

    send() {
      for (const group of groups.values()) {
        const fd = host.socketAt(group.local);
        if (fd === undefined) {
          dropAll(group.segmented);
          dropAll(group.plain);
          continue;
        }
        if (group.segmented.holes.length > 0) sendRun(group, fd);
        if (group.plain.holes.length > 0) sendSingly(group, fd);
      }
    },

    *holes() {
      for (const [id, hole] of holes) yield [id, figures(hole)] as const;
    },

    total() {
      const sum = { ...closed };
      for (const hole of holes.values()) {
        const { packets, bytes, drops } = figures(hole);
        sum.packets += packets;
        sum.bytes += bytes;
        sum.drops += drops;
      }
      return sum;
    },

    free() {
      for (const { segmented, plain } of groups.values()) {
        segmented.destinations.free();
        plain.destinations.free();
      }
      groups.clear();
      holes.clear();
    },
  };
}
