import type { SendEvent } from "../send/send-events.ts";
import type { ServerEvent } from "../server/server-events.ts";
import type { WatchEvent } from "../watch/watch-events.ts";
import type { Output } from "./output.ts";
import { formatBitrate, formatTable } from "./table.ts";

/** What one of the demo's three parts tells. */
export type DemoEvent =
  | (ServerEvent & { readonly part: "relay" })
  | (SendEvent & { readonly part: "send" })
  | (WatchEvent & { readonly part: "watch" });

/** Where there is no terminal to redraw, the table is printed this often, in seconds. */
const plainEvery = 5;

/** Shows the demo as one table that is redrawn every second. */
export function createDemoRenderer(): (event: DemoEvent, output: Output<DemoEvent>) => string | undefined {
  const punched = new Map<number, WatchEvent & { event: "punched" }>();
  const bytesBefore = new Map<number, number>();
  let relayStats: (ServerEvent & { event: "stats" }) | undefined;
  let ticks = 0;

  function table(stats: WatchEvent & { event: "stats" }): string {
    const [stream] = relayStats?.streams ?? [];
    const heading = [
      "Component",
      "Internal Address",
      "External Address",
      "Remote Address",
      "Relayed",
      "Received",
      "Lost",
      "Jitter",
      "Bitrate",
    ];
    const rows = stats.components.map(({ component, packets, bytes, lost, jitterMs }) => {
      const hole = punched.get(component);
      const bitrate = (bytes - (bytesBefore.get(component) ?? 0)) * 8;
      bytesBefore.set(component, bytes);
      const what = `${component} ${["video RTP", "video RTCP", "audio RTP", "audio RTCP"][component] ?? ""}`;
      const relayed = stream?.in[component]?.packets ?? 0;
      const addresses = [hole?.local ?? "", hole?.mapped ?? "", hole?.relay ?? ""];
      return [
        what,
        ...addresses,
        String(relayed),
        String(packets),
        String(lost),
        `${jitterMs.toFixed(1)} ms`,
        formatBitrate(bitrate),
      ];
    });
    return formatTable([heading, ...rows]);
  }

  return (event, output) => {
    if (event.part === "relay") {
      if (event.event === "stats") relayStats = event;
      if (event.event === "warning") return `Warning: ${event.message}`;
      if (event.event === "listening") return renderStart(event);
      return undefined;
    }
    if (event.part === "send")
      return event.event === "sending"
        ? `Sender   the bundled clip, in a loop: ${event.tracks.map(({ codec }) => codec).join(" + ")}`
        : undefined;
    if (event.event === "punched") punched.set(event.component, event);
    if (event.event === "waiting") return event.message;
    if (event.event === "ready") {
      const play = `ffplay -protocol_whitelist file,rtp,udp -i ${event.sdp}`;
      return `Viewer   holes punched; listen to port ${event.port} to get your stream!\n\nSee it:  ${play}\nStop:    Ctrl-C\n`;
    }
    if (event.event === "ended") return "Stopped.";
    if (event.event !== "stats") return undefined;
    const text = table(event);
    output.live(text);
    ticks += 1;
    return process.stdout.isTTY || ticks % plainEvery !== 1 ? undefined : `${text}\n`;
  };
}

function renderStart({ punch, streams }: ServerEvent & { event: "listening" }): string {
  const [clip, mine] = streams;
  const [port = 0] = mine?.ingestPorts ?? [];
  const host = punch.slice(0, punch.lastIndexOf(":"));
  return [
    `Relay    ${punch}`,
    "",
    "One more viewer of the clip:",
    `  npx punchcast watch '${clip?.watchUrl ?? ""}'`,
    "A sender of your own, and its viewer:",
    `  ffmpeg -re -i coolVideo.mp4 -map 0:v -c copy -f rtp rtp://${host}:${port} -map 0:a -c copy -f rtp rtp://${host}:${port + 2} > mine.sdp`,
    `  npx punchcast watch '${mine?.watchUrl ?? ""}' --sdp mine.sdp --player ffplay`,
    "",
  ].join("\n");
}
