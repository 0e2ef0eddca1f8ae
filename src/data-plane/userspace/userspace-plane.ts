import type { Endpoint } from "../../core/address.ts";
import type { ComponentId, Flow, ForwardingChange, HoleId, HoleTarget } from "../../relay/forwarding.ts";
import type { Counters, DataPlane } from "../data-plane.ts";

/** Sends one datagram from a local endpoint; false if it had to be dropped. Must not keep or change `bytes`. */
export type PacketSender = (local: Endpoint, remote: Endpoint, bytes: Uint8Array) => boolean;

interface Tally {
  packets: number;
  bytes: number;
  drops: number;
}

interface OpenHole extends Tally {
  readonly id: HoleId;
  readonly component: ComponentId;
  target: HoleTarget;
}

interface Fanout extends Tally {
  /** In order of opening. An array, since it is walked for every packet and changed only now and then. */
  holes: readonly OpenHole[];
}

/** The same plane to those who look for flows themselves. */
export interface UserspacePlane extends DataPlane {
  deliver(component: ComponentId, bytes: Uint8Array, flow?: Flow): void;
}

/** The plane that needs nothing but sockets: every packet comes up, and `deliver` fans it out through `send`. */
export function createUserspacePlane(send: PacketSender): UserspacePlane {
  const holes = new Map<HoleId, OpenHole>();
  const fanouts = new Map<ComponentId, Fanout>();

  function close(id: HoleId): void {
    const hole = holes.get(id);
    const fanout = hole && fanouts.get(hole.component);
    if (hole === undefined || fanout === undefined) return;
    holes.delete(id);
    fanout.holes = fanout.holes.filter((other) => other !== hole);
  }

  function open(id: HoleId, component: ComponentId, target: HoleTarget): void {
    const known = holes.get(id);
    if (known?.component === component) {
      known.target = target;
      return;
    }
    close(id);
    const hole: OpenHole = { id, component, target, packets: 0, bytes: 0, drops: 0 };
    const fanout = fanouts.get(component) ?? { holes: [], packets: 0, bytes: 0, drops: 0 };
    fanout.holes = [...fanout.holes, hole];
    fanouts.set(component, fanout);
    holes.set(id, hole);
  }

  function applyOne(change: ForwardingChange): void {
    if (change.type === "open-hole") open(change.hole, change.component, change.target);
    else if (change.type === "close-hole") close(change.hole);
    else if (change.type === "move-hole") {
      const hole = holes.get(change.hole);
      if (hole !== undefined) hole.target = change.target;
    }
    // Flows need no entry here: the relay core admits every packet before it is delivered.
  }

  return {
    name: "userspace",
    holesPerComponent: Number.POSITIVE_INFINITY,
    showsMedia: true,
    survivesRelay: false,

    start(_ports, initial) {
      for (const change of initial) applyOne(change);
      return Promise.resolve();
    },

    deliver(component, bytes) {
      const fanout = fanouts.get(component);
      if (fanout === undefined) return;
      for (const hole of fanout.holes) {
        const sent = send(hole.target.local, hole.target.remote, bytes);
        count(hole, sent, bytes.length);
        count(fanout, sent, bytes.length);
      }
    },

    apply(changes, onOpen) {
      for (const change of changes) {
        if (change.type === "open-hole") onOpen?.(change.hole);
        applyOne(change);
      }
      return Promise.resolve();
    },

    readCounters: () =>
      Promise.resolve({
        holes: new Map([...holes].map(([id, hole]) => [id, snapshot(hole)])),
        components: new Map([...fanouts].map(([id, fanout]) => [id, snapshot(fanout)])),
        unseen: new Map(),
      }),

    close() {
      holes.clear();
      fanouts.clear();
      return Promise.resolve();
    },
  };
}

function count(tally: Tally, sent: boolean, bytes: number): void {
  if (!sent) {
    tally.drops += 1;
    return;
  }
  tally.packets += 1;
  tally.bytes += bytes;
}

function snapshot({ packets, bytes, drops }: Tally): Counters {
  return { packets, bytes, drops };
}
