import type { Counters, PlaneCounters } from "../data-plane/data-plane.ts";
import type { ComponentId } from "../relay/forwarding.ts";
import type { RelayCore } from "../relay/relay-core.ts";
import type { Stream } from "../relay/stream.ts";
import type { ServerEvent, StreamFare, StreamStats } from "./server-events.ts";

/** Counts what came in and what was refused. */
export interface Tally {
  /** Counts packets (by default one) of `bytes` in all. */
  countIn(component: ComponentId, bytes: number, packets?: number): void;
  /**
   * Takes in what went by out of sight, as totals since the plane started, and returns the components of which there was
   * something new.
   */
  takeUnseen(
    unseen: ReadonlyMap<ComponentId, Pick<Counters, "packets" | "bytes">>,
  ): { readonly stream: string; readonly component: number }[];
  countRefusal(reason: string): void;
  /** Counts a punch, in STUN or bare: `granted`, or why not. */
  countPunch(result: string): void;
  /** The figures of all streams, with what the data plane carried and turned away. */
  report(
    core: RelayCore,
    plane: Pick<PlaneCounters, "components" | "notSent" | "refused">,
    fareOf: (stream: string) => StreamFare,
  ): Pick<ServerEvent & { event: "stats" }, "streams" | "refused" | "punches">;
}

/** Counters at zero. `streams` gives those that there are. What a stream counted stays under its name. Reasons come from a fixed vocabulary, so hostile input cannot grow the table. */
export function createTally(streams: () => Iterable<Stream>): Tally {
  const ins = new Map<ComponentId, { packets: number; bytes: number }>();
  const unseen = new Map<ComponentId, Pick<Counters, "packets" | "bytes">>();
  const refused = new Map<string, number>();
  const punches = new Map<string, number>();
  const none: Counters = { packets: 0, bytes: 0, drops: 0 };

  function reportOne(
    stream: Stream,
    core: RelayCore,
    { components, notSent }: Pick<PlaneCounters, "components" | "notSent">,
    { ingest, ...fare }: StreamFare,
  ): StreamStats {
    const sent = stream.componentIds.map((id) => components.get(id) ?? none);
    const reasons: Record<string, number> = {};
    for (const [reason, count] of stream.componentIds.flatMap((id) => Object.entries(notSent?.get(id) ?? {}))) {
      reasons[reason] = (reasons[reason] ?? 0) + count;
    }
    const sum = (of: keyof Counters): number => sent.reduce((total, counters) => total + counters[of], 0);
    return {
      name: stream.name,
      publisherLive: core.publishers.isLive(stream.name),
      holes: core.holes.count(stream.name),
      in: stream.componentIds.map((id, component) => {
        const counted = ins.get(id) ?? { packets: 0, bytes: 0 };
        return { ...ingest(component), component, ...counted };
      }),
      out: { packets: sum("packets"), bytes: sum("bytes"), drops: sum("drops") },
      ...(notSent && { notSent: reasons }),
      ...fare,
    };
  }

  return {
    countIn(component, bytes, packets = 1) {
      const counters = ins.get(component);
      if (counters === undefined) ins.set(component, { packets, bytes });
      else {
        counters.packets += packets;
        counters.bytes += bytes;
      }
    },
    takeUnseen(totals) {
      return [...streams()].flatMap(({ name, componentIds }) =>
        componentIds.flatMap((id, component) => {
          const before = unseen.get(id);
          const total = totals.get(id);
          if (total === undefined || total.packets === before?.packets) return [];
          unseen.set(id, total);
          this.countIn(id, total.bytes - (before?.bytes ?? 0), total.packets - (before?.packets ?? 0));
          return [{ stream: name, component }];
        }),
      );
    },
    countRefusal: (reason) => count(refused, reason),
    countPunch: (result) => count(punches, result),
    report: (core, plane, fareOf) => ({
      streams: Array.from(streams(), (stream) => reportOne(stream, core, plane, fareOf(stream.name))),
      refused: { ...nonZero(plane.refused), ...Object.fromEntries(refused) },
      punches: Object.fromEntries(punches),
    }),
  };
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function nonZero(counts: Readonly<Record<string, number>> = {}): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}
