import type { Endpoint } from "../../../core/address.ts";
import { formatEndpoint } from "../../../core/address.ts";
import type { ComponentId, Flow, ForwardingChange, HoleId } from "../../../relay/forwarding.ts";
import { encodeSocketAddress, socketAddressKey } from "../../../udp/native/socket-address.ts";
import type { Counters, PlaneCounters } from "../../data-plane.ts";
import { createFanOut, type FanOut, type FanOutHost } from "./fan-out.ts";

/** A flow as the media thread looks for it, and what came over it. */
export interface InstalledFlow {
  /** Its own for as long as the table lives. */
  readonly number: number;
  readonly component: ComponentId;
  readonly fanOut: FanOut;
  packets: number;
  bytes: number;
  /** How many batches in a row were one packet only. */
  lone: number;
}

/** The table as the core declared it, in the media thread. */
export interface ForwardingTable {
  apply(change: ForwardingChange): void;
  /** The flow of a sender, by `socketAddressKey`, at the socket bound to `local` (`formatEndpoint`). */
  flowsAt(local: string): ReadonlyMap<number | string, InstalledFlow> | undefined;
  fanOut(component: ComponentId): FanOut | undefined;
  counters(): PlaneCounters;
  /** What came over installed flows. */
  unseen(): PlaneCounters["unseen"];
  free(): void;
}

/** An empty table. */
export function createForwardingTable(host: FanOutHost): ForwardingTable {
  const fanOuts = new Map<ComponentId, FanOut>();
  const components = new Map<HoleId, ComponentId>();
  const flows = new Map<ComponentId, { readonly at: Flow; readonly installed: InstalledFlow }>();
  const byLocal = new Map<string, Map<number | string, InstalledFlow>>();
  const seen = new Map<ComponentId, { packets: number; bytes: number }>();
  let lastFlow = 0;

  function fanOutOf(component: ComponentId): FanOut {
    const fanOut = fanOuts.get(component) ?? createFanOut(host);
    fanOuts.set(component, fanOut);
    return fanOut;
  }

  function clearFlow(component: ComponentId): void {
    const flow = flows.get(component);
    if (flow === undefined) return;
    flows.delete(component);
    const at = byLocal.get(formatEndpoint(flow.at.local));
    const key = keyOf(flow.at.publisher);
    if (at?.get(key) === flow.installed) at.delete(key);
    const before = seen.get(component) ?? { packets: 0, bytes: 0 };
    const { packets, bytes } = flow.installed;
    seen.set(component, { packets: before.packets + packets, bytes: before.bytes + bytes });
  }

  function setFlow(component: ComponentId, at: Flow): void {
    clearFlow(component);
    lastFlow += 1;
    const fanOut = fanOutOf(component);
    const installed: InstalledFlow = { number: lastFlow, component, fanOut, packets: 0, bytes: 0, lone: 0 };
    const local = formatEndpoint(at.local);
    const here = byLocal.get(local) ?? new Map<number | string, InstalledFlow>();
    here.set(keyOf(at.publisher), installed);
    byLocal.set(local, here);
    flows.set(component, { at, installed });
  }

  function closeHole(hole: HoleId): void {
    const component = components.get(hole);
    if (component !== undefined) fanOuts.get(component)?.close(hole);
    components.delete(hole);
  }

  function unseen(): Map<ComponentId, { packets: number; bytes: number }> {
    const totals = new Map(seen);
    for (const [component, { installed }] of flows) {
      const before = seen.get(component) ?? { packets: 0, bytes: 0 };
      totals.set(component, {
        packets: before.packets + installed.packets,
        bytes: before.bytes + installed.bytes,
      });
    }
    return totals;
  }

  return {
    apply(change) {
      if (change.type === "set-flow") setFlow(change.component, change.flow);
      else if (change.type === "clear-flow") clearFlow(change.component);
      else if (change.type === "close-hole") closeHole(change.hole);
      else if (change.type === "move-hole")
        fanOuts.get(components.get(change.hole) ?? "")?.move(change.hole, change.target);
      else {
        if (components.get(change.hole) !== change.component) closeHole(change.hole);
        components.set(change.hole, change.component);
        fanOutOf(change.component).open(change.hole, change.target);
      }
    },
    flowsAt: (local) => byLocal.get(local),
    fanOut: (component) => fanOuts.get(component),
    counters() {
      const holes = new Map<HoleId, Counters>();
      const totals = new Map<ComponentId, Counters>();
      for (const [component, fanOut] of fanOuts) {
        for (const [id, counters] of fanOut.holes()) holes.set(id, counters);
        totals.set(component, fanOut.total());
      }
      return { holes, components: totals, unseen: unseen() };
    },
    unseen,
    free() {
      for (const fanOut of fanOuts.values()) fanOut.free();
    },
  };
}

const scratch = new Uint8Array(32);
const scratchWords = new Uint32Array(scratch.buffer);

function keyOf(endpoint: Endpoint): number | string {
  encodeSocketAddress(scratch, 0, endpoint);
  return socketAddressKey(scratch, scratchWords, 0);
}
