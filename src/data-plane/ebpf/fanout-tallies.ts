import type { ComponentId } from "../../relay/forwarding.ts";
import type { Counters, PlaneCounters } from "../data-plane.ts";
import type { HoleTable } from "./hole-table.ts";
import { notSentReasons } from "./layout.ts";

/** What the kernel counted of whole components since this plane started, whatever an earlier relay's had counted before. */
export interface FanoutTallies {
  /** Counts from now on what this slot of `fanouts` has; a component that is followed already goes on. */
  follow(component: ComponentId, fanout: number): void;
  /** What did not go up to the socket. */
  unseen(): ReadonlyMap<ComponentId, Pick<Counters, "packets" | "bytes">>;
  /** How many packets found the ring full, of all components. */
  untapped(): number;
  /** How often a packet was not sent to a hole, by reason; reasons that did not occur are left out. */
  notSent(): NonNullable<PlaneCounters["notSent"]>;
}

interface Followed {
  readonly fanout: number;
  readonly unseen: Pick<Counters, "packets" | "bytes">;
  readonly untapped: number;
  readonly reasons: readonly number[];
}

/** Follows nothing yet. */
export function createFanoutTallies(table: Pick<HoleTable, "unseen" | "untapped" | "reasons">): FanoutTallies {
  const followed = new Map<ComponentId, Followed>();
  return {
    follow(component, fanout) {
      if (followed.has(component)) return;
      const [unseen, untapped, reasons] = [table.unseen(fanout), table.untapped(fanout), table.reasons(fanout)];
      followed.set(component, { fanout, unseen, untapped, reasons });
    },

    unseen() {
      const totals = new Map<ComponentId, Pick<Counters, "packets" | "bytes">>();
      for (const [component, { fanout, unseen: before }] of followed) {
        const { packets, bytes } = table.unseen(fanout);
        if (packets > before.packets)
          totals.set(component, { packets: packets - before.packets, bytes: bytes - before.bytes });
      }
      return totals;
    },

    untapped: () =>
      [...followed.values()].reduce((sum, { fanout, untapped }) => sum + table.untapped(fanout) - untapped, 0),

    notSent() {
      const totals = new Map<ComponentId, Readonly<Record<string, number>>>();
      for (const [component, { fanout, reasons: before }] of followed) {
        const counts = table.reasons(fanout).map((count, i) => count - (before[i] ?? 0));
        const counted = notSentReasons.flatMap((reason, i) => (counts[i] ? [[reason, counts[i]] as const] : []));
        if (counted.length > 0) totals.set(component, Object.fromEntries(counted));
      }
      return totals;
    },
  };
}
