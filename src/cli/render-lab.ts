import { formatEndpoint } from "../core/address.ts";
import type { SendEvent } from "../send/send-events.ts";
import type { ServerEvent } from "../server/server-events.ts";
import type { WatchEvent } from "../watch/watch-events.ts";
import type { LabEvent, RouterView } from "./lab-scene.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";

/** Where there is no terminal to redraw, the tables are printed this often, in seconds. */
const plainEvery = 5;

/** Shows the seed's address table with live values, and packets and loss on each leg. */
export function createLabRenderer(): (event: LabEvent, output: Output<LabEvent>) => string | undefined {
  const watching = new Map<string, WatchEvent & { event: "stats" }>();
  let relaying: (ServerEvent & { event: "stats" }) | undefined;
  let sending: (SendEvent & { event: "stats" }) | undefined;
  let ticks = 0;

  function legs(routers: readonly RouterView[]): string {
    const [stream] = relaying?.streams ?? [];
    const received = (stream?.in ?? []).reduce((sum, { packets }) => sum + packets, 0);
    const sent = (sending?.tracks ?? []).reduce((sum, { packets }) => sum + packets, 0);
    const rows = [["Leg", "Router", "Forwarded", "Lost in NAT", "At the far end", "Missing in stream"]];
    for (const { router, out, in: into } of routers) {
      const party = router.slice(router.indexOf("-") + 1);
      if (party === "S1") {
        rows.push([
          `S1 (${sent} RTP sent) → relay`,
          router,
          String(out.packetsForwarded),
          String(out.packetsLost),
          `${received} packets`,
          "",
        ]);
        continue;
      }
      const components = watching.get(party)?.components ?? [];
      const packets = components.reduce((sum, stats) => sum + stats.packets, 0);
      const lost = components.reduce((sum, stats) => sum + stats.lost, 0);
      rows.push([
        `relay → ${party}`,
        router,
        String(into.packetsForwarded),
        String(into.packetsLost),
        `${packets} packets`,
        String(lost),
      ]);
    }
    return formatTable(rows);
  }

  return (event, output) => {
    if (event.event === "nat") {
      const tables = `${addresses(event.routers)}\n\n${legs(event.routers)}`;
      output.live(tables);
      ticks += 1;
      return process.stdout.isTTY || ticks % plainEvery !== 1 ? undefined : `${tables}\n`;
    }
    if (event.event === "stats") {
      if ("rttMs" in event) watching.set(event.host, event);
      else if ("streams" in event) relaying = event;
      else sending = event;
      return undefined;
    }
    if (event.event === "rebound")
      return `${event.host}: the NAT moved ${event.previous} to ${event.mapped}; the hole moved along.`;
    if (event.event === "stalled") return `${event.host}: no media for a second; punching again.`;
    if (event.event === "resumed") return `${event.host}: media is back after ${(event.afterMs / 1000).toFixed(1)} s.`;
    if (event.event === "waiting") return `${event.host}: ${event.message}`;
    if (event.event === "warning") return `${event.host}: warning: ${event.message}`;
    return undefined;
  };
}

function addresses(routers: readonly RouterView[]): string {
  const rows = [["Router", "Internal Address", "External Address", "Remote Address", "Packets"]];
  for (const { router, mappings } of routers) {
    const sorted = mappings.toSorted((a, b) => a.internal.port - b.internal.port || a.remote.port - b.remote.port);
    for (const { internal, mapped, remote, packets } of sorted) {
      rows.push([router, formatEndpoint(internal), formatEndpoint(mapped), formatEndpoint(remote), String(packets)]);
    }
  }
  return formatTable(rows);
}
