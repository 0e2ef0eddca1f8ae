import type { ComponentId, HoleId } from "../../relay/forwarding.ts";
import type { Counters } from "../data-plane.ts";
import { type Count, countKey, type MappingCounts, type OwnedMapping } from "./mapping.ts";

interface Tally {
  packets: number;
  bytes: number;
  drops: number;
}

/** What the kernel has carried, by hole and component, over every change of mappings. */
export interface KernelTallies {
  /** Starts a hole at zero. */
  openHole(hole: HoleId): void;
  /** Forgets a hole; its component keeps what it counted. */
  closeHole(hole: HoleId): void;
  /** Takes in what the kernel has counted by now for these mappings. */
  take(counts: ReadonlyMap<string, MappingCounts>, mappings: Iterable<OwnedMapping>): void;
  /** The kernel's count of this mapping starts at zero again. */
  restart(key: string): void;
  readonly holes: ReadonlyMap<HoleId, Counters>;
  readonly components: ReadonlyMap<ComponentId, Counters>;
  readonly unseen: ReadonlyMap<ComponentId, Count>;
}

const zero: MappingCounts = { carried: { packets: 0, bytes: 0 }, sent: { packets: 0, bytes: 0 } };

/** Tallies at zero. */
export function createKernelTallies(): KernelTallies {
  const holes = new Map<HoleId, Tally>();
  const components = new Map<ComponentId, Tally>();
  const unseen = new Map<ComponentId, Tally>();
  /** The kernel's counts as they were taken in last, and how many of them were told as dropped. */
  const seen = new Map<string, MappingCounts & { readonly dropped: number }>();

  return {
    openHole: (hole) => void holes.set(hole, empty()),
    closeHole: (hole) => void holes.delete(hole),
    restart: (key) => void seen.delete(key),
    holes,
    components,
    unseen,

    take(counts, mappings) {
      for (const mapping of mappings) {
        const now = counts.get(countKey(mapping));
        if (now === undefined) continue;
        const before = seen.get(countKey(mapping));
        // The two counts are not read at one instant: what came in by the last look and is not out by now was dropped.
        const dropped = Math.max(before?.dropped ?? 0, (before?.carried.packets ?? 0) - now.sent.packets);
        seen.set(countKey(mapping), { ...now, dropped });
        const sent = { ...difference(now.sent, (before ?? zero).sent), drops: dropped - (before?.dropped ?? 0) };
        const hole = holes.get(mapping.hole);
        if (hole !== undefined) add(hole, sent);
        add(entry(components, mapping.component), sent);
        add(entry(unseen, mapping.component), { ...difference(now.carried, (before ?? zero).carried), drops: 0 });
      }
    },
  };
}

const empty = (): Tally => ({ packets: 0, bytes: 0, drops: 0 });

function entry(tallies: Map<string, Tally>, id: string): Tally {
  const tally = tallies.get(id) ?? empty();
  tallies.set(id, tally);
  return tally;
}

function difference(now: Count, before: Count): Count {
  return { packets: now.packets - before.packets, bytes: now.bytes - before.bytes };
}

function add(tally: Tally, more: Counters): void {
  tally.packets += more.packets;
  tally.bytes += more.bytes;
  tally.drops += more.drops;
}
