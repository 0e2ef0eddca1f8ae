import { addressFamily } from "../../core/address.ts";
import type { ComponentId, Flow, HoleId, HoleTarget } from "../../relay/forwarding.ts";
import { consentLifetimeSeconds } from "../../relay/limits.ts";
import type { Counters } from "../data-plane.ts";
import type { PacketSender } from "../userspace/userspace-plane.ts";
import { createFanoutTallies, type FanoutTallies } from "./fanout-tallies.ts";
import { type Family, openHoleTable } from "./hole-table.ts";
import { flowText, idOf, minus, none, plus, sameFlow, sameTarget, targetBytes } from "./kernel-values.ts";
import { endpointKey, flowFlags, flowKey, type WantedOriginals } from "./layout.ts";
import type { Left } from "./left-to-user.ts";
import type { PlaneMaps } from "./maps.ts";
import { createMarks } from "./marks.ts";
import type { Walked } from "./tap.ts";

/** The forwarding table as the kernel has it: flows, and the holes that the kernel serves. */
export interface KernelTable extends Pick<FanoutTallies, "unseen" | "untapped" | "notSent"> {
  /** Says where a component's media comes from. `kind` is `user` if only user space shall fan it out. */
  setFlow(component: ComponentId, flow: Flow, kind: "fan-out" | "fan-out-beside-stun" | "user"): void;
  clearFlow(component: ComponentId): void;
  /** True if the kernel has this flow and has seen a packet of it since it was set: then what it left to user space is known. */
  carries(component: ComponentId, flow: Flow): boolean;
  /** True if it carried this flow not long ago. */
  carriedLately(flow: Flow, nowMs: number): boolean;
  /** Opens or moves a hole; false if there is no room, and then it is closed. */
  setHole(hole: HoleId, component: ComponentId, target: HoleTarget): boolean;
  closeHole(hole: HoleId): void;
  /** Consent lasts this long from now. */
  renew(hole: HoleId, leftMs: number): void;
  /**
   * Sends an original that came up, through `send`, to the holes of this family that the kernel has not sent it to; counted as
   * the kernel's. `left` is what was written down of it, if anything was.
   */
  sendLeft(component: ComponentId, family: Family, left: Exclude<Left, "whole"> | undefined, packet: Packet): void;
  /** The same for a packet that the ring showed. */
  sendLate(component: ComponentId, walked: Walked, packet: Packet): void;
  /** A viewer whose datagrams are never limited. */
  knowViewer(target: HoleTarget): void;
  forgetViewer(target: HoleTarget): void;
  /** Says where this component's originals go once every hole has its copy. */
  setOriginals(component: ComponentId, to: WantedOriginals): void;
  /** The component that has this slot of `fanouts`; `undefined` if it has no more flow. */
  componentOf(fanout: number): ComponentId | undefined;
  /** True while a flow is installed that the kernel fans out. */
  hasFlows(): boolean;
  /** How often packets found a full queue, over all components. */
  queueFull(): number;
  holes(): ReadonlyMap<HoleId, Counters>;
  components(): ReadonlyMap<ComponentId, Counters>;
  /** Removes what was found and is not wanted: called once, after all that is wanted was set. */
  finishAdoption(): void;
}

/** A packet, and what sends it. */
export interface Packet {
  readonly bytes: Uint8Array;
  readonly send: PacketSender;
}

interface KernelHole {
  readonly component: ComponentId;
  target: HoleTarget;
  slot: number;
  /** Packets that read a lower count were not sent to it, wherever it has moved since. */
  readonly number: number;
  /** What its earlier slots carried. */
  before: Counters;
  /** What it had carried when this plane took it over: not the component's since the plane started. */
  readonly adopted: Counters;
}

interface KernelFlow {
  readonly flow: Flow;
  readonly fanout: number;
  /** What had arrived when the flow was set; -1 if it was set before this plane started. */
  readonly arrivedBefore: number;
}

/** A packet's way along a list. */
type Walk = Pick<Walked, "family" | "linked">;

/** As long as packets may wait in a socket after their flow was replaced. */
const latelyMs = 3_000;

/** Opens the table over the plane's maps; `nowMs` is the kernel's monotonic clock. */
export function createKernelTable(maps: PlaneMaps, nowMs: () => number): KernelTable {
  const table = openHoleTable(maps.memory("holes"), maps.memory("fanouts"));
  const [flows, viewers] = [maps.table("flows"), maps.table("viewers")];
  const holes = new Map<HoleId, KernelHole>();
  const sources = new Map<ComponentId, KernelFlow>();
  const owners = new Map<string, ComponentId>();
  const replaced = new Map<string, number>();
  const closed = new Map<ComponentId, Counters>();
  const fed = new Map<number, ComponentId>();
  const tallies = createFanoutTallies(table);
  const marks = createMarks(table);
  const found = new Map(table.linked().map((hole) => [hole.id, hole]));
  const foundFlows = new Set(flows.keys().map((key) => key.toString("hex")));
  const foundViewers = new Set(viewers.keys().map((key) => key.toString("hex")));

  const expiry = (leftMs: number): bigint => BigInt(Math.round((nowMs() + leftMs) * 1e6));
  const fullExpiry = (): bigint => expiry(consentLifetimeSeconds * 1000);

  function drop(key: Flow): void {
    flows.delete(flowKey(key));
    owners.delete(flowText(key));
    replaced.set(flowText(key), nowMs() + latelyMs);
  }

  /** The slot that an earlier relay filled for this hole, if it is as it should be. */
  function adopt(id: bigint, fanout: number, target: HoleTarget): number | undefined {
    const hole = found.get(id);
    if (hole === undefined || hole.fanout !== fanout || !hole.bytes.equals(targetBytes(target))) return undefined;
    found.delete(id);
    return hole.slot;
  }

  function retire(hole: KernelHole): void {
    table.remove(hole.slot, nowMs());
    hole.before = plus(hole.before, table.counters(hole.slot));
  }

  /** What was linked after a packet read the list, and what the kernel could not send to then. */
  function sendMissed(
    component: ComponentId,
    { family, linked }: Walk,
    { bytes, send }: Packet,
    leftAt?: bigint,
  ): void {
    for (const hole of holes.values()) {
      if (hole.component !== component || addressFamily(hole.target.remote.address) !== family) continue;
      const isLeft = leftAt !== undefined && table.wasLeft(hole.slot, leftAt);
      if (hole.number <= linked && !isLeft) continue;
      const isSent = send(hole.target.local, hole.target.remote, bytes);
      hole.before = plus(hole.before, isSent ? { packets: 1, bytes: bytes.length, drops: 0 } : { ...none, drops: 1 });
    }
  }

  return {
    setFlow(component, flow, kind) {
      const fanout = kind === "user" ? 0 : table.fanout(idOf(component));
      if (fanout) {
        fed.set(fanout, component);
        tallies.follow(component, fanout);
      }
      const old = sources.get(component);
      const isSame = old !== undefined && sameFlow(old.flow, flow);
      const key = flowKey(flow);
      const wasFound = foundFlows.delete(key.toString("hex"));
      const value = Buffer.alloc(8);
      value.writeUInt32LE(fanout ?? 0, 0);
      value.writeUInt32LE(kind === "fan-out-beside-stun" ? flowFlags.hasStun : fanout ? 0 : flowFlags.upOnly, 4);
      const arrived = fanout ? table.arrived(fanout).packets : 0;
      const arrivedBefore = isSame ? old.arrivedBefore : wasFound ? -1 : arrived;
      flows.set(key, value);
      sources.set(component, { flow, fanout: fanout ?? 0, arrivedBefore });
      if (old !== undefined && !isSame && owners.get(flowText(old.flow)) === component) drop(old.flow);
      owners.set(flowText(flow), component);
      replaced.delete(flowText(flow));
    },

    clearFlow(component) {
      const old = sources.get(component);
      sources.delete(component);
      if (old !== undefined) fed.delete(old.fanout);
      if (old !== undefined && owners.get(flowText(old.flow)) === component) drop(old.flow);
    },

    carries(component, flow) {
      const source = sources.get(component);
      if (source === undefined || source.fanout === 0 || !sameFlow(source.flow, flow)) return false;
      return table.arrived(source.fanout).packets > source.arrivedBefore;
    },

    carriedLately(flow, now) {
      if (replaced.size === 0) return false;
      for (const [text, until] of replaced) if (until <= now) replaced.delete(text);
      return replaced.has(flowText(flow));
    },

    setHole(id, component, target) {
      const hole = holes.get(id);
      if (hole?.component === component && sameTarget(hole.target, target)) return true;
      const fanout = table.fanout(idOf(component));
      const kernelId = idOf(id);
      const taken = fanout === undefined || hole !== undefined ? undefined : adopt(kernelId, fanout, target);
      if (fanout !== undefined && taken === undefined) marks.beforeLink(fanout);
      const slot =
        taken ?? (fanout === undefined ? undefined : table.add(fanout, kernelId, target, fullExpiry(), nowMs()));
      if (hole !== undefined) {
        // The new place first: there is no moment without either.
        retire(hole);
        if (hole.component !== component || slot === undefined) {
          closed.set(hole.component, plus(closed.get(hole.component), minus(hole.before, hole.adopted)));
          holes.delete(id);
        }
      }
      if (slot === undefined) return false;
      const kept = holes.get(id);
      if (kept !== undefined) Object.assign(kept, { target, slot });
      else {
        const [number, adopted] = [table.numberOf(slot), table.counters(slot)];
        holes.set(id, { component, target, slot, number, before: none, adopted });
      }
      return true;
    },

    closeHole(id) {
      const hole = holes.get(id);
      if (hole === undefined) return;
      holes.delete(id);
      retire(hole);
      closed.set(hole.component, plus(closed.get(hole.component), minus(hole.before, hole.adopted)));
    },

    renew(id, leftMs) {
      const hole = holes.get(id);
      if (hole !== undefined) table.setExpiry(hole.slot, expiry(leftMs));
    },

    sendLeft(component, family, left, packet) {
      const fanout = sources.get(component)?.fanout;
      if (!fanout) return;
      if (left !== undefined) marks.seen(fanout, family, left.linked);
      const linked = left?.linked ?? marks.settled(fanout, family);
      if (linked === table.linkedIn(fanout, family) && left?.leftAt === undefined) return;
      sendMissed(component, { family, linked }, packet, left?.leftAt);
    },

    sendLate(component, { fanout, family, linked }, packet) {
      if (linked === table.linkedIn(fanout, family)) return;
      // The ring's memory is the kernel's, and a socket may hold a packet for a while.
      sendMissed(component, { family, linked }, { ...packet, bytes: packet.bytes.slice() });
    },

    knowViewer({ remote }) {
      const key = endpointKey(remote);
      foundViewers.delete(key.toString("hex"));
      viewers.set(key, Buffer.alloc(4));
    },

    forgetViewer: ({ remote }) => void viewers.delete(endpointKey(remote)),

    setOriginals(component, to) {
      const fanout = table.fanout(idOf(component));
      if (fanout === undefined) return;
      tallies.follow(component, fanout);
      marks.setOriginals(fanout, to);
    },

    componentOf: (fanout) => fed.get(fanout),
    hasFlows: () => fed.size > 0,
    unseen: tallies.unseen,
    untapped: tallies.untapped,
    notSent: tallies.notSent,

    queueFull: () => table.notSent("queue-full"),

    holes: () => new Map([...holes].map(([id, hole]) => [id, plus(hole.before, table.counters(hole.slot))])),

    components() {
      const totals = new Map(closed);
      for (const { component, before, slot, adopted } of holes.values()) {
        const carried = minus(plus(before, table.counters(slot)), adopted);
        totals.set(component, plus(totals.get(component), carried));
      }
      return totals;
    },

    finishAdoption() {
      for (const { slot } of found.values()) table.remove(slot, nowMs());
      for (const key of foundFlows) flows.delete(Buffer.from(key, "hex"));
      for (const key of foundViewers) viewers.delete(Buffer.from(key, "hex"));
      found.clear();
      foundFlows.clear();
      foundViewers.clear();
    },
  };
}
