import { parsePunchUrl } from "../core/punch-url.ts";
import type { ListeningStream, ServerEvent, StreamStats } from "../server/server-events.ts";
import type { Output } from "./output.ts";
import { formatBitrate } from "./table.ts";

/** Says in words what a relay tells. `isOpen`: bare punches are taken, so the seed's client is shown too. */
export function createRelayRenderer(
  isOpen: boolean,
): (event: ServerEvent, output: Output<ServerEvent>) => string | undefined {
  let bytesBefore = new Map<string, number>();
  let uptimeBefore = 0;

  function renderStats(event: ServerEvent & { event: "stats" }): string {
    const elapsed = Math.max(1, event.uptimeMs - uptimeBefore) / 1000;
    const parts = event.streams.map((stream) => {
      const bitrate = ((bytesIn(stream) - (bytesBefore.get(stream.name) ?? 0)) * 8) / elapsed;
      const drops = stream.out.drops > 0 ? `, ${stream.out.drops} dropped` : "";
      const { viewers: watching = 0 } = stream.browsers ?? {};
      const browsers = watching > 0 ? `, ${watching} browsers` : "";
      const reasons = Object.entries(stream.notSent ?? {}).map(([reason, count]) => `${reason} ${count}`);
      const why = reasons.length > 0 ? `, not sent by the kernel: ${reasons.join(", ")}` : "";
      const legs = [...ingestLoss(stream), ...viewerLoss(stream), ...resent(stream)]
        .map((text) => `, ${text}`)
        .join("");
      return `${stream.name}: in ${formatBitrate(bitrate)}, ${stream.holes} holes${browsers}, out ${stream.out.packets} packets${legs}${drops}${why}`;
    });
    uptimeBefore = event.uptimeMs;
    bytesBefore = new Map(event.streams.map((stream) => [stream.name, bytesIn(stream)]));
    return parts.join("  |  ");
  }

  return (event, output) => {
    switch (event.event) {
      case "listening":
        return renderStart(event, isOpen);
      case "warning":
        return `Warning: ${event.message}`;
      case "stream-added":
        return `${event.stream}: the stream was created`;
      case "stream-changed":
        return `${event.stream}: the stream was changed`;
      case "stream-removed":
        return `${event.stream}: the stream was deleted`;
      case "publisher-restarted":
        return `${event.stream}: the publisher began anew (component ${event.component}, ${event.kind})`;
      case "publisher":
        return `${event.stream}: publisher ${event.state} at ${event.address} (component ${event.component}, by ${event.by})`;
      case "hole-opened":
        return `${event.stream}: hole ${event.component} opened to ${event.mapped} from ${event.relay} (${event.by})`;
      case "hole-moved":
        return `${event.stream}: hole ${event.component} moved from ${event.previous} to ${event.mapped}`;
      case "hole-closed":
        return `${event.stream}: hole ${event.component} to ${event.mapped} closed (${event.reason})`;
      case "stats":
        output.live(renderStats(event));
        return undefined;
      case "stopped":
        return "Stopped.";
    }
  };
}

/** What is missing on the publisher's leg. */
function ingestLoss(stream: StreamStats): string[] {
  const lost = stream.in.reduce((sum, ingest) => sum + (ingest.lost ?? 0), 0);
  return lost > 0 ? [`${lost} lost before the relay`] : [];
}

/** What the viewer who fares worst says of its leg. */
function viewerLoss({ viewers }: StreamStats): string[] {
  const worst = Math.max(0, ...viewers.map(({ worstLossFraction }) => worstLossFraction));
  return worst > 0 ? [`up to ${(worst * 100).toFixed(1)} % lost behind it`] : [];
}

function resent({ repair }: StreamStats): string[] {
  return repair.resent > 0 ? [`${repair.resent} sent again`] : [];
}

function bytesIn(stream: StreamStats): number {
  return stream.in.reduce((sum, { bytes }) => sum + bytes, 0);
}

function renderStart(event: ServerEvent & { event: "listening" }, isOpen: boolean): string {
  const { punch, plane, http, console: page, streams } = event;
  const host = punch.slice(0, punch.lastIndexOf(":"));
  const also = http === undefined ? "" : ` and ${http}`;
  const lines = [`Relay on ${punch}${also} (${plane} plane). Ready to paste:`];
  if (page !== undefined) lines.unshift(`Console: ${page}`);
  for (const stream of streams) lines.push("", `Stream '${stream.name}'`, ...senderLines(stream, host, http));
  const [first] = streams;
  if (isOpen && first !== undefined) {
    const port = punch.slice(punch.lastIndexOf(":") + 1);
    lines.push("", `  bare watch   punchcast watch --bare ${punch}`);
    lines.push(
      `  bare client  python3 -c "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'0',('${host}',${port})); print(s.getsockname()[1])"`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function senderLines(stream: ListeningStream, host: string, http: string | undefined): string[] {
  const lines: string[] = [];
  const [port] = stream.ingestPorts;
  if (port !== undefined) {
    const bare = host.replace(/[[\]]/g, "");
    lines.push(`  MP4Box       MP4Box -rtp -dst=${bare} -port=${port} -fps=24 coolVideo.mp4`);
    lines.push(`  gpac         gpac -i coolVideo.mp4 -o live.sdp:ip=${bare}:port=${port}`);
    const video = `-map 0:v -c copy -f rtp rtp://${host}:${port}`;
    const audio = stream.ingestPorts.length > 2 ? ` -map 0:a -c copy -f rtp rtp://${host}:${port + 2}` : "";
    lines.push(`  ffmpeg       ffmpeg -re -i coolVideo.mp4 ${video}${audio} > live.sdp`);
  }
  const sdp = http === undefined ? " --sdp live.sdp" : "";
  lines.push(`  punchcast    punchcast send coolVideo.mp4 '${stream.publishUrl}'${sdp}`);
  if (http !== undefined && port !== undefined) {
    lines.push(`  other's SDP  punchcast relay --sdp live.sdp, or in a trusted network (the key is sent as it is):`);
    lines.push(`               curl -T live.sdp '${http}/streams/${stream.name}.sdp?${keyQuery(stream.publishUrl)}'`);
  }
  lines.push(`  watch        punchcast watch '${stream.watchUrl}'${sdp}`);
  if (stream.browserUrl !== undefined) lines.push(`  browser      ${stream.browserUrl}`);
  if (stream.viewers !== "many") {
    const next = stream.viewers === "newest" ? "the newest takes over" : "another is refused while it watches";
    lines.push(`  viewers      one at a time, since the kernel carries the media: ${next}`);
  }
  return lines;
}

function keyQuery(url: string): string {
  return new URLSearchParams({ key: parsePunchUrl(url).key }).toString();
}
