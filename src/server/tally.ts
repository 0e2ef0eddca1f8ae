import type { Counters } from "../data-plane/data-plane.ts";
import type { ComponentId } from "../relay/forwarding.ts";
import type { RelayCore } from "../relay/relay-core.ts";
import type { Stream } from "../relay/stream.ts";
import type { StreamStats } from "./server-events.ts";

/** Counts what came in and what was refused. */
export interface Tally {
  countIn(component: ComponentId, bytes: number): void;
  countRefusal(reason: string): void;
  /** The figures of all streams, with what the data plane carried. */
  report(
    core: RelayCore,
    out: ReadonlyMap<ComponentId, Counters>,
  ): { readonly streams: readonly StreamStats[]; readonly refused: Readonly<Record<string, number>> };
}

/** Counters at zero. Reasons come from a fixed vocabulary, so hostile input cannot grow the table. */
export function createTally(streams: readonly Stream[]): Tally {
  const ins = new Map(streams.flatMap((stream) => stream.componentIds).map((id) => [id, { packets: 0, bytes: 0 }]));
  const refused = new Map<string, number>();
  const none: Counters = { packets: 0, bytes: 0, drops: 0 };

  function reportOne(stream: Stream, core: RelayCore, out: ReadonlyMap<ComponentId, Counters>): StreamStats {
    const sent = stream.componentIds.map((id) => out.get(id) ?? none);
    const sum = (of: keyof Counters): number => sent.reduce((total, counters) => total + counters[of], 0);
    return {
      name: stream.name,
      publisherLive: core.publishers.isLive(stream.name),
      holes: core.holes.count(stream.name),
      in: stream.componentIds.map((id, component) => ({ component, packets: 0, bytes: 0, ...ins.get(id) })),
      out: { packets: sum("packets"), bytes: sum("bytes"), drops: sum("drops") },
    };
  }

  return {
    countIn(component, bytes) {
      const counters = ins.get(component);
      if (counters === undefined) return;
      counters.packets += 1;
      counters.bytes += bytes;
    },
    countRefusal(reason) {
      refused.set(reason, (refused.get(reason) ?? 0) + 1);
    },
    report: (core, out) => ({
      streams: streams.map((stream) => reportOne(stream, core, out)),
      refused: Object.fromEntries(refused),
    }),
  };
}
