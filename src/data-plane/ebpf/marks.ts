import type { Family, HoleTable } from "./hole-table.ts";
import type { WantedOriginals } from "./layout.ts";

/**
 * Keeps it known which holes the originals were sent to that come up through the sockets. While holes have been linked since
 * an original was last seen, the kernel writes down each one's count; as soon as one with the newest count has come up, those
 * behind it need no record, for a socket keeps their order. So what has no record has the count that was settled last.
 */
export interface Marks {
  /** Says where this fan-out's originals go once every hole has its copy. */
  setOriginals(fanout: number, to: WantedOriginals): void;
  /** To be called before a hole is linked. */
  beforeLink(fanout: number): void;
  /** The count of an original that came up without a record. */
  settled(fanout: number, family: Family): number;
  /** An original with this count came up. */
  seen(fanout: number, family: Family, linked: number): void;
}

/** Everything that is linked by now is settled: the sockets are new. */
export function createMarks(table: Pick<HoleTable, "setOriginals" | "linkedIn" | "linked">): Marks {
  const counts: Readonly<Record<Family, Map<number, number>>> = { 4: new Map(), 6: new Map() };
  const wanted = new Map<number, WantedOriginals>();
  const marked = new Set<number>();
  for (const { fanout } of table.linked()) {
    for (const family of [4, 6] as const) counts[family].set(fanout, table.linkedIn(fanout, family));
  }
  const settled = (fanout: number, family: Family): number => counts[family].get(fanout) ?? 0;
  const isSettled = (fanout: number): boolean =>
    ([4, 6] as const).every((family) => settled(fanout, family) === table.linkedIn(fanout, family));

  function mark(fanout: number): void {
    marked.add(fanout);
    table.setOriginals(fanout, "marked");
  }

  return {
    setOriginals(fanout, to) {
      wanted.set(fanout, to);
      if (to === "up" && !isSettled(fanout)) return mark(fanout);
      marked.delete(fanout);
      table.setOriginals(fanout, to);
    },
    beforeLink(fanout) {
      if ((wanted.get(fanout) ?? "up") === "up") mark(fanout);
    },
    settled,
    seen(fanout, family, linked) {
      if (linked <= settled(fanout, family)) return;
      counts[family].set(fanout, linked);
      if (marked.has(fanout) && isSettled(fanout)) {
        marked.delete(fanout);
        table.setOriginals(fanout, "up");
      }
    },
  };
}
