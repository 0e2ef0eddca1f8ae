import { Command } from "commander";
import type { ApiStream, ApiViewer, RelayInfo } from "../../http/api/shapes.ts";
import { type ApiFlags, addApiFlags, openApi } from "../api-flags.ts";
import { createOutput } from "../output.ts";
import { formatTable } from "../table.ts";

/** What `punchcast status` tells. */
export type StatusEvent =
  | ({ readonly event: "relay" } & RelayInfo)
  | ({ readonly event: "stream" } & ApiStream)
  | ({ readonly event: "viewer" } & ApiViewer);

interface StatusFlags extends ApiFlags {
  readonly viewers?: boolean;
}

/** `punchcast status`. */
export function statusCommand(): Command {
  const command = new Command("status").description("Show what a running relay does: its streams and who watches.");
  return addApiFlags(command)
    .option("--viewers", "list the viewers too")
    .addHelpText("after", "\nExample:\n  punchcast status --viewers\n")
    .action(runStatus);
}

async function runStatus(flags: StatusFlags): Promise<void> {
  const client = await openApi(flags);
  const [relay, streams] = [await client.readRelay(), await client.listStreams()];
  const viewers: ApiViewer[] = [];
  if (flags.viewers === true) {
    for (const { name } of streams) viewers.push(...(await client.listViewers(name)));
  }
  const output = createOutput<StatusEvent>({ json: flags.json ?? false, render: () => undefined });
  output.tell({ event: "relay", ...relay });
  for (const stream of streams) output.tell({ event: "stream", ...stream });
  for (const viewer of viewers) output.tell({ event: "viewer", ...viewer });
  output.say(renderStatus(relay, streams));
  if (flags.viewers === true) output.say(`\n${viewers.length === 0 ? "Nobody watches." : renderViewers(viewers)}`);
}

/** The relay and its streams in words. */
export function renderStatus(relay: RelayInfo, streams: readonly ApiStream[]): string {
  const { version, punch, plane, uptimeMs } = relay;
  const up = formatDuration(uptimeMs / 1000);
  const rows = streams.map(({ name, origin, ingestPorts, stats }) => {
    const lost = stats.in.reduce((sum, ingest) => sum + (ingest.lost ?? 0), 0);
    const received = stats.in.reduce((sum, { packets }) => sum + packets, 0);
    const ports = ingestPorts.length === 0 ? "by key" : `${ingestPorts[0]}-${ingestPorts.at(-1)}`;
    const worst = Math.max(
      stats.browsers?.worstLossFraction ?? 0,
      ...stats.viewers.map(({ worstLossFraction }) => worstLossFraction),
    );
    return [
      ...[name, origin, ports, stats.publisherLive ? "live" : "idle", String(received), String(lost)],
      ...[
        String(stats.holes),
        String(stats.browsers?.viewers ?? 0),
        String(stats.out.packets),
        `${(worst * 100).toFixed(1)} %`,
      ],
    ];
  });
  const heading = ["STREAM", "ORIGIN", "INGEST", "PUBLISHER", "IN", "LOST", "HOLES", "BROWSERS", "OUT", "WORST LOSS"];
  return `Punchcast ${version} on ${punch}, ${plane} plane, up ${up}\n\n${formatTable([heading, ...rows])}`;
}

function renderViewers(viewers: readonly ApiViewer[]): string {
  const rows = viewers.map(({ stream, id, by, watchingMs, holes }) => {
    const rtts = holes.flatMap(({ report }) => report?.rttMs ?? []);
    const losses = holes.flatMap(({ report }) => report?.lossFraction ?? []);
    return [
      ...[stream, id, by, holes[0]?.mapped ?? "", formatDuration(watchingMs / 1000)],
      String(holes.reduce((sum, { sent }) => sum + sent.packets, 0)),
      losses.length === 0 ? "?" : `${(Math.max(...losses) * 100).toFixed(1)} %`,
      rtts.length === 0 ? "?" : `${Math.max(...rtts).toFixed(1)} ms`,
    ];
  });
  return formatTable([["STREAM", "VIEWER", "BY", "MAPPED", "FOR", "PACKETS", "LOSS", "ROUND TRIP"], ...rows]);
}

/** `2 d 3 h`, `3 h 4 min`, `4 min 5 s`, `5 s`. */
function formatDuration(seconds: number): string {
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ] as const;
  const first = units.findIndex(([length]) => seconds >= length);
  if (first === -1) return "0 s";
  return units
    .slice(first, first + 2)
    .map(
      ([length, unit], i) => `${Math.floor((i === 0 ? seconds : seconds % (units[first]?.[0] ?? 1)) / length)} ${unit}`,
    )
    .join(" ");
}
