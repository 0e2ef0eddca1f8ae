import type { ApiStream } from "../../src/http/api/shapes.ts";

type Stats = ApiStream["stats"];

/** Figures of a stream with one track, all of them zero unless given. */
export function figures(more: Partial<Stats> & { readonly packets?: number; readonly lost?: number } = {}): Stats {
  const { packets = 0, lost = 0, ...rest } = more;
  return {
    publisherLive: true,
    holes: 2,
    in: [
      { component: 0, packets, bytes: packets * 1_000, lost },
      { component: 1, packets: 0, bytes: 0 },
    ],
    out: { packets: 0, bytes: 0, drops: 0 },
    viewers: [],
    repair: { resent: 0, refused: 0 },
    oversized: 0,
    ...rest,
  };
}

/** A stream that somebody watches. */
export function stream(more: Partial<ApiStream> = {}): ApiStream {
  return {
    name: "live",
    components: 2,
    ingestPorts: [9099, 9100],
    from: [],
    takeover: false,
    origin: "created",
    viewers: "many",
    watching: 1,
    stats: figures(),
    ...more,
  };
}

/** What a viewer says of its leg, as the figures have it. */
export function reported(worstLossFraction: number): Stats["viewers"][number] {
  const unknown = {
    medianJitterMs: undefined,
    worstJitterMs: undefined,
    medianRttMs: undefined,
    worstRttMs: undefined,
  };
  return { component: 0, viewers: 1, worstLossFraction, ...unknown };
}
