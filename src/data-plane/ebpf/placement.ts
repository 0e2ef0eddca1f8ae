import { addressFamily } from "../../core/address.ts";
import {
  type ComponentId,
  carriesRtcp,
  type Flow,
  type ForwardingChange,
  type HoleId,
  type HoleTarget,
} from "../../relay/forwarding.ts";
import type { DataPlane } from "../data-plane.ts";
import type { KernelTable } from "./kernel-table.ts";
import type { WantedOriginals } from "./layout.ts";

/** Who sends to a hole: the kernel in the fan-out of that IP version, or always user space. */
export type Place = "kernel4" | "kernel6" | "user";

interface Placed {
  readonly component: ComponentId;
  readonly target: HoleTarget;
  readonly place: Place;
}

/** Where each hole is served, kept right over every change of the forwarding table. */
export interface Placement {
  apply(change: ForwardingChange): void;
  /** Where the component has holes that the kernel sends nothing to of what comes by this IP version, if it has any. */
  others(component: ComponentId, family: 4 | 6): readonly Place[];
}

const noPlaces: readonly Place[] = [];

/** Where a packet of an IP version is not sent by the kernel. */
const otherPlaces: Readonly<Record<4 | 6, readonly Place[]>> = { 4: ["user", "kernel6"], 6: ["user", "kernel4"] };

/**
 * Puts each hole where it can be served.
 * @param users user space's planes, one for each place: what the kernel serves is known to them for when it does not
 * @param punchPort where publishers with the key send media beside STUN
 * @param isLocal whether an address is this host's, to which the kernel's clones would never come
 * @param whereQuiet where originals go that user space can do without
 */
export function createPlacement({
  users,
  table,
  punchPort,
  isLocal,
  whereQuiet,
}: {
  readonly users: Readonly<Record<Place, DataPlane>>;
  readonly table: KernelTable;
  readonly punchPort: number;
  readonly isLocal: (address: string) => boolean;
  readonly whereQuiet: WantedOriginals;
}): Placement {
  const placed = new Map<HoleId, Placed>();
  const places = new Map<ComponentId, Record<Place, number>>();
  const families = new Map<ComponentId, 4 | 6>();

  /** Holes of user space get everything from there. */
  function put(hole: HoleId, component: ComponentId, target: HoleTarget): void {
    const old = placed.get(hole);
    const wanted = carriesRtcp(component) || isLocal(target.remote.address) ? "user" : kernelPlace(target);
    // Before the kernel has it: user space's hole must see every packet from its first on.
    if (wanted === "user") countPlace({ component, place: "user" }, 1);
    const fits = wanted !== "user" && table.setHole(hole, component, target);
    const place = fits ? wanted : "user";
    if (!fits) table.closeHole(hole);
    if (old !== undefined && old.place !== place) void users[old.place].apply([{ type: "close-hole", hole }]);
    void users[place].apply([{ type: "open-hole", hole, component, target }]);
    if (old !== undefined) table.forgetViewer(old.target);
    table.knowViewer(target);
    placed.set(hole, { component, target, place });
    if (wanted !== "user") countPlace({ component, place }, 1);
    if (old !== undefined) countPlace(old, -1);
  }

  /** Only where every hole is the kernel's can user space do without the packets. */
  function countPlace({ component, place }: Pick<Placed, "component" | "place">, by: number): void {
    const counts = places.get(component) ?? { kernel4: 0, kernel6: 0, user: 0 };
    counts[place] += by;
    places.set(component, counts);
    const family = families.get(component);
    // The ring shows what nobody watches, too.
    const isWatched = whereQuiet === "ring" || counts.kernel4 + counts.kernel6 > 0;
    const isQuiet = family !== undefined && isWatched && others(component, family).length === 0;
    if (!carriesRtcp(component)) table.setOriginals(component, isQuiet ? whereQuiet : "up");
  }

  function others(component: ComponentId, family: 4 | 6): readonly Place[] {
    const counts = places.get(component);
    return counts === undefined || otherPlaces[family].every((place) => counts[place] === 0)
      ? noPlaces
      : otherPlaces[family];
  }

  function flowKind(component: ComponentId, flow: Flow): Parameters<KernelTable["setFlow"]>[2] {
    if (carriesRtcp(component)) return "user";
    return flow.local.port === punchPort ? "fan-out-beside-stun" : "fan-out";
  }

  return {
    others,
    apply(change) {
      if (change.type === "open-hole") put(change.hole, change.component, change.target);
      else if (change.type === "move-hole") {
        const component = placed.get(change.hole)?.component;
        if (component !== undefined) put(change.hole, component, change.target);
      } else if (change.type === "close-hole") {
        const old = placed.get(change.hole);
        if (old === undefined) return;
        placed.delete(change.hole);
        table.closeHole(change.hole);
        table.forgetViewer(old.target);
        void users[old.place].apply([change]);
        countPlace(old, -1);
      } else if (change.type === "set-flow") {
        table.setFlow(change.component, change.flow, flowKind(change.component, change.flow));
        families.set(change.component, addressFamily(change.flow.publisher.address));
        countPlace({ component: change.component, place: "user" }, 0);
      } else table.clearFlow(change.component);
    },
  };
}

function kernelPlace({ local, remote }: HoleTarget): Place {
  if (addressFamily(local.address) !== addressFamily(remote.address)) return "user";
  return addressFamily(remote.address) === 4 ? "kernel4" : "kernel6";
}
