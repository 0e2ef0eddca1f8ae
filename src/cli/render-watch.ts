import type { ComponentStats, WatchEvent } from "../watch/watch-events.ts";
import type { Output } from "./output.ts";
import { formatBitrate, formatTable } from "./table.ts";

const restartText = { "same-ssrc": "same SSRC", "new-ssrc": "new SSRC" } as const;

/** Says in words what a viewer's agent tells. */
export function createWatchRenderer(): (event: WatchEvent, output: Output<WatchEvent>) => string | undefined {
  const rows = new Map<number, string[]>();
  let mapped = "";
  let bytesBefore = 0;
  let last: WatchEvent & { event: "stats" } = { event: "stats", rttMs: undefined, components: [], strangers: 0 };

  function renderLive(event: WatchEvent & { event: "stats" }): string {
    const bytes = sum(event.components, "bytes");
    const bitrate = (bytes - bytesBefore) * 8;
    bytesBefore = bytes;
    const parts = event.components.filter(({ packets }) => packets > 0).map(renderComponent);
    const rtt = event.rttMs === undefined ? "" : `rtt ${event.rttMs.toFixed(1)} ms`;
    return [formatBitrate(bitrate), ...parts, rtt, mapped].filter((part) => part !== "").join("  ");
  }

  return (event, output) => {
    switch (event.event) {
      case "punched":
        rows.set(event.component, [String(event.component), event.local, event.mapped ?? "(not told)", event.relay]);
        if (event.mapped !== undefined) mapped = event.mapped;
        return undefined;
      case "ready": {
        const heading = ["Component", "Internal Address", "External Address", "Remote Address"];
        const table = formatTable([heading, ...[...rows].sort(([a], [b]) => a - b).map(([, row]) => row)]);
        const goal =
          event.outputs === undefined
            ? `Listen to port ${event.port} to get your stream!`
            : `Your stream goes to ${event.outputs.join(", ")}.`;
        return `${table}\n${goal}${event.sdp === undefined ? "" : `\n${playLine(event.sdp)}`}`;
      }
      case "sdp":
        return playLine(event.sdp);
      case "no-sdp":
        return event.message;
      case "rebound":
        mapped = event.mapped;
        return `Component ${event.component}: the NAT moved ${event.previous} to ${event.mapped}; the hole moved along.`;
      case "waiting":
        return event.message;
      case "stalled":
        return "No media for a second; punching again.";
      case "resumed":
        return `Media is back after ${(event.afterMs / 1000).toFixed(1)} s.`;
      case "publisher-restarted":
        return `Component ${event.component}: the publisher started again (${restartText[event.kind]}); players go on.`;
      case "stats":
        last = event;
        output.live(renderLive(event));
        return undefined;
      case "ended":
        return [`Ended (${event.reason}).`, ...last.components.map(renderTotal)].join("\n");
    }
  };
}

function playLine(sdp: string): string {
  return `Play ${sdp}: ffplay -protocol_whitelist file,rtp,udp -i ${sdp}`;
}

function renderComponent({ component, packets, lost, jitterMs, repaired }: ComponentStats): string {
  // RTCP has no sequence numbers: loss and jitter mean nothing there.
  return component % 2 === 1
    ? `${component}: ${packets}`
    : `${component}: ${packets} (${lost} lost, ${repaired} repaired, ${jitterMs.toFixed(1)} ms)`;
}

function renderTotal(stats: ComponentStats): string {
  const { component, packets, bytes, lost, jitterMs, requested, repaired, late } = stats;
  const repair = requested + late === 0 ? "" : `, ${repaired} of ${requested} repaired, ${late} out of order`;
  return `Component ${component}: ${packets} packets, ${bytes} bytes, ${lost} lost${repair}, jitter ${jitterMs.toFixed(1)} ms`;
}

function sum(components: readonly ComponentStats[], of: "packets" | "bytes"): number {
  return components.reduce((total, stats) => total + stats[of], 0);
}
