import type { Viewer } from "../../server/viewer-list.ts";
import type { Family, Sample } from "./metrics.ts";

/**
 * Viewers with series of their own: five each, so 5,000 in all. Not more, since a Prometheus keeps every name that it ever
 * saw; not less, since the console's crowd is a thousand. The rest is counted.
 */
const viewersMax = 1_000;

function ofViewers(read: (viewer: Viewer) => number | undefined): Family<readonly Viewer[]>["samples"] {
  return (all) =>
    all.slice(0, viewersMax).flatMap((viewer): Sample[] => {
      const value = read(viewer);
      return value === undefined ? [] : [{ labels: { stream: viewer.stream, viewer: viewer.id }, value }];
    });
}

function sum(of: "packets" | "bytes" | "drops"): (viewer: Viewer) => number {
  return ({ holes }) => holes.reduce((total, { sent }) => total + sent[of], 0);
}

/** The largest of what its components tell; `undefined` if none does. */
function worst(of: "lossFraction" | "rttMs"): (viewer: Viewer) => number | undefined {
  return ({ holes }) => {
    const told = holes.flatMap(({ report }) => report?.[of] ?? []);
    return told.length === 0 ? undefined : Math.max(...told);
  };
}

const viewer = { labels: ["stream", "viewer"] } as const;

/** The metrics of single viewers, counted since their holes opened. */
export const viewerFamilies: readonly Family<readonly Viewer[]>[] = [
  {
    ...{ name: "punchcast_viewers_left_out", help: "Viewers beyond those that have series.", type: "gauge" },
    samples: (all) => [{ value: Math.max(0, all.length - viewersMax) }],
  },
  {
    ...{ name: "punchcast_viewer_packets_total", help: "Packets sent to it.", type: "counter", ...viewer },
    samples: ofViewers(sum("packets")),
  },
  {
    ...{ name: "punchcast_viewer_bytes_total", help: "Their UDP payload.", type: "counter", ...viewer },
    samples: ofViewers(sum("bytes")),
  },
  {
    ...{ name: "punchcast_viewer_dropped_total", help: "Packets that could not be sent.", type: "counter", ...viewer },
    samples: ofViewers(sum("drops")),
  },
  {
    ...{
      name: "punchcast_viewer_loss_ratio",
      help: "Lost on its leg by its last report, 0-1.",
      type: "gauge",
      ...viewer,
    },
    samples: ofViewers(worst("lossFraction")),
  },
  {
    ...{ name: "punchcast_viewer_rtt_seconds", help: "Round trip to it.", type: "gauge", ...viewer },
    samples: ofViewers((each) => {
      const rttMs = worst("rttMs")(each);
      return rttMs === undefined ? undefined : rttMs / 1000;
    }),
  },
];
