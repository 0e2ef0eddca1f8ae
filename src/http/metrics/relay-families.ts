import type { IngestCounters, ServerEvent, StreamStats } from "../../server/server-events.ts";
import type { Viewer } from "../../server/viewer-list.ts";
import type { RelayInfo } from "../api/shapes.ts";
import type { Family, Sample } from "./metrics.ts";

/** What the relay's metrics are read off. */
export interface RelayFigures {
  readonly info: RelayInfo;
  readonly stats: ServerEvent & { event: "stats" };
  readonly viewers: readonly Viewer[];
  readonly eventFollowers: number;
}

type RelayFamily = Family<RelayFigures>;

function ofStreams(read: (stream: StreamStats) => number | undefined): RelayFamily["samples"] {
  return ({ stats }) =>
    stats.streams.flatMap((stream): Sample[] => {
      const value = read(stream);
      return value === undefined ? [] : [{ labels: { stream: stream.name }, value }];
    });
}

function ofComponents(read: (ingest: IngestCounters) => number | undefined): RelayFamily["samples"] {
  return ({ stats }) =>
    stats.streams.flatMap(({ name, in: all }) =>
      all.flatMap((ingest): Sample[] => {
        const value = read(ingest);
        return value === undefined ? [] : [{ labels: { stream: name, component: ingest.component }, value }];
      }),
    );
}

function byReason(
  label: string,
  read: (figures: RelayFigures) => Readonly<Record<string, number>>,
): RelayFamily["samples"] {
  return (figures) => Object.entries(read(figures)).map(([reason, value]) => ({ labels: { [label]: reason }, value }));
}

const one =
  (read: (figures: RelayFigures) => number): RelayFamily["samples"] =>
  (figures) => [{ value: read(figures) }];

const stream = { labels: ["stream"] } as const;
const component = { labels: ["stream", "component"] } as const;
const counter = { type: "counter" } as const;
const gauge = { type: "gauge" } as const;

/** The relay's metrics: of the relay, of its streams, and of their components. Totals count since the start. */
export const relayFamilies: readonly RelayFamily[] = [
  {
    ...{ name: "punchcast_info", help: "1, with what runs as labels.", ...gauge, labels: ["version", "plane"] },
    samples: ({ info: { version, plane } }) => [{ labels: { version, plane }, value: 1 }],
  },
  {
    ...{ name: "punchcast_uptime_seconds", help: "Since the relay started.", ...gauge },
    samples: one(({ stats }) => stats.uptimeMs / 1000),
  },
  {
    ...{ name: "punchcast_streams", help: "Streams on the relay.", ...gauge },
    samples: one(({ stats }) => stats.streams.length),
  },
  {
    ...{ name: "punchcast_punches_total", help: "Punches by result.", ...counter, labels: ["result"] },
    samples: byReason("result", ({ stats }) => stats.punches),
  },
  {
    ...{ name: "punchcast_refused_datagrams_total", help: "Datagrams refused or not understood.", ...counter },
    ...{ labels: ["reason"], samples: byReason("reason", ({ stats }) => stats.refused) },
  },
  {
    ...{ name: "punchcast_send_errors_total", help: "Datagrams that the system would not send.", ...counter },
    samples: one(({ stats }) => stats.sendErrors),
  },
  {
    ...{ name: "punchcast_event_followers", help: "Clients that follow the events.", ...gauge },
    samples: one(({ eventFollowers }) => eventFollowers),
  },
  {
    ...{
      name: "punchcast_publisher_live",
      help: "1 while the publisher sends, 0 while it does not.",
      ...gauge,
      ...stream,
    },
    samples: ofStreams(({ publisherLive }) => Number(publisherLive)),
  },
  {
    ...{ name: "punchcast_viewers", help: "Watching parties.", ...gauge, ...stream },
    samples({ stats, viewers }) {
      const parties = Map.groupBy(viewers, (viewer) => viewer.stream);
      return stats.streams.map(({ name }) => ({ labels: { stream: name }, value: parties.get(name)?.length ?? 0 }));
    },
  },
  {
    ...{ name: "punchcast_browsers", help: "Browsers connected, by role; those that watch are viewers too.", ...gauge },
    labels: ["stream", "role"],
    samples: ({ stats }) =>
      stats.streams.flatMap(({ name, browsers }) =>
        (["viewers", "publishers"] as const).map((role) => ({
          labels: { stream: name, role },
          value: browsers?.[role] ?? 0,
        })),
      ),
  },
  {
    ...{ name: "punchcast_browser_packets_total", help: "Packets sent to browsers.", ...counter, ...stream },
    samples: ofStreams(({ browsers }) => browsers?.sent.packets),
  },
  {
    ...{ name: "punchcast_browser_bytes_total", help: "Their bytes, as RTP.", ...counter, ...stream },
    samples: ofStreams(({ browsers }) => browsers?.sent.bytes),
  },
  {
    ...{ name: "punchcast_holes", help: "Open holes; a viewer has one for each component.", ...gauge, ...stream },
    samples: ofStreams(({ holes }) => holes),
  },
  {
    ...{ name: "punchcast_ingest_packets_total", help: "Datagrams from the publisher.", ...counter, ...component },
    samples: ofComponents(({ packets }) => packets),
  },
  {
    ...{ name: "punchcast_ingest_bytes_total", help: "Their UDP payload.", ...counter, ...component },
    samples: ofComponents(({ bytes }) => bytes),
  },
  {
    // What comes late takes back its loss, so it is no counter.
    ...{ name: "punchcast_ingest_lost_packets", help: "RTP packets missing before the relay.", ...gauge, ...component },
    samples: ofComponents(({ lost }) => lost),
  },
  {
    ...{ name: "punchcast_ingest_jitter_seconds", help: "Interarrival jitter (RFC 3550).", ...gauge, ...component },
    samples: ofComponents(({ jitterMs }) => (jitterMs === undefined ? undefined : jitterMs / 1000)),
  },
  {
    ...{ name: "punchcast_ingest_bits_per_second", help: "Over the last second.", ...gauge, ...component },
    samples: ofComponents(({ bitrate }) => bitrate),
  },
  {
    ...{
      name: "punchcast_publisher_restarts_total",
      help: "How often the publisher began anew.",
      ...counter,
      ...component,
    },
    samples: ofComponents(({ restarts }) => restarts && Object.values(restarts).reduce((sum, count) => sum + count, 0)),
  },
  {
    ...{ name: "punchcast_forwarded_packets_total", help: "Packets sent to viewers.", ...counter, ...stream },
    samples: ofStreams(({ out }) => out.packets),
  },
  {
    ...{ name: "punchcast_forwarded_bytes_total", help: "Their UDP payload.", ...counter, ...stream },
    samples: ofStreams(({ out }) => out.bytes),
  },
  {
    ...{ name: "punchcast_dropped_packets_total", help: "Packets that could not be sent on.", ...counter, ...stream },
    samples: ofStreams(({ out }) => out.drops),
  },
  {
    ...{ name: "punchcast_kernel_not_sent_total", help: "Packets the kernel did not send to a hole.", ...counter },
    labels: ["stream", "reason"],
    samples: ({ stats }) =>
      stats.streams.flatMap(({ name, notSent = {} }) =>
        Object.entries(notSent).map(([reason, value]) => ({ labels: { stream: name, reason }, value })),
      ),
  },
  {
    ...{ name: "punchcast_resent_packets_total", help: "Packets sent again to viewers.", ...counter, ...stream },
    samples: ofStreams(({ repair }) => repair.resent),
  },
  {
    ...{ name: "punchcast_resends_refused_total", help: "Packets asked for again in vain.", ...counter, ...stream },
    samples: ofStreams(({ repair }) => repair.refused),
  },
  {
    ...{
      name: "punchcast_oversized_packets_total",
      help: "Packets too large for a viewer's path.",
      ...counter,
      ...stream,
    },
    samples: ofStreams(({ oversized }) => oversized),
  },
  {
    ...{
      name: "punchcast_worst_viewer_loss_ratio",
      help: "Loss of the viewer who fares worst, 0-1.",
      ...gauge,
      ...stream,
    },
    samples: ofStreams(({ viewers, browsers }) =>
      Math.max(browsers?.worstLossFraction ?? 0, ...viewers.map(({ worstLossFraction }) => worstLossFraction)),
    ),
  },
];
