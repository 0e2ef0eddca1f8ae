import { formatEndpoint } from "../core/address.ts";
import type { Counters } from "../data-plane/data-plane.ts";
import type { ViewerReport } from "../media/report-aggregator.ts";
import type { HoleId } from "../relay/forwarding.ts";
import type { Hole } from "../relay/holes.ts";
import { viewerOf } from "../relay/viewers.ts";

/** One hole of a viewer. */
export interface ViewerHole {
  readonly component: number;
  /** The viewer's mapped address, `host:port`. */
  readonly mapped: string;
  /** The relay's address that it was punched to, `host:port`. */
  readonly relay: string;
  readonly consentLeftMs: number;
  /** What was sent to it since it opened; `drops` are packets that could not be. */
  readonly sent: Counters;
  /** What the viewer last said of its leg, of a component that has RTP. Default: no report came. */
  readonly report?: ViewerReport;
}

/** One watching party. */
export interface Viewer {
  /** See `viewerOf`. */
  readonly id: string;
  readonly stream: string;
  /** By a key or time-limited credential, by a bare punch, or in a browser, which has a key too. */
  readonly by: "key" | "bare" | "browser";
  /** Since its oldest hole opened. */
  readonly watchingMs: number;
  /** A browser has one for each track, all of the same address. */
  readonly holes: readonly ViewerHole[];
}

/** What a list of viewers is made of. */
export interface ViewerSource {
  readonly holes: Iterable<Hole>;
  readonly sent: ReadonlyMap<HoleId, Counters>;
  readonly reportOf: (hole: Hole) => ViewerReport | undefined;
  readonly now: number;
}

const nothing: Counters = { packets: 0, bytes: 0, drops: 0 };

/** The viewers of these holes, in the order in which they came. */
export function listViewers({ holes, sent, reportOf, now }: ViewerSource): Viewer[] {
  const parties = Map.groupBy(holes, (hole) => `${hole.stream.name}/${viewerOf(hole)}`);
  return [...parties.values()].flatMap((own) => {
    const [first] = own;
    if (first === undefined) return [];
    return {
      id: viewerOf(first),
      stream: first.stream.name,
      by: first.by,
      watchingMs: Math.round(now - Math.min(...own.map(({ openedAt }) => openedAt))),
      holes: own.map((hole): ViewerHole => {
        const report = reportOf(hole);
        return {
          component: hole.component,
          mapped: formatEndpoint(hole.remote),
          relay: formatEndpoint(hole.local),
          consentLeftMs: Math.max(0, Math.round(hole.expiresAt - now)),
          sent: sent.get(hole.id) ?? nothing,
          ...(report && { report }),
        };
      }),
    };
  });
}
