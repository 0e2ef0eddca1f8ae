import type { ApiKeys, ApiStream, RelayInfo } from "../../http/api/shapes.ts";

/** One line to paste. */
export interface Line {
  /** Which program it is for. */
  readonly label: string;
  readonly text: string;
  /** What should be known beside it. */
  readonly note?: string;
  /** A key is missing in it until the keys are shown. */
  readonly needsKeys: boolean;
}

/** What lines are made of. */
export interface LineFacts {
  readonly stream: ApiStream;
  readonly relay: RelayInfo;
  /** `undefined`: they were not asked for, and a name stands where they go. */
  readonly keys: ApiKeys | undefined;
  /** `http://host:port` of the relay as this page sees it. */
  readonly origin: string;
}

/** Lines for whoever sends. */
export function senderLines({ stream, relay, keys, origin }: LineFacts): Line[] {
  const { name, ingestPorts } = stream;
  const host = relay.punch.slice(0, relay.punch.lastIndexOf(":"));
  const bare = host.replace(/[[\]]/g, "");
  const publishUrl = keys?.publishUrl ?? `punch://${relay.punch}/${name}?key=PUBLISH-KEY`;
  const publishKey = keys?.publishKey ?? "PUBLISH-KEY";
  const needsKeys = keys === undefined;
  const page = originOf(keys, origin);
  const lines: Line[] = [
    { label: "punchcast send", text: `npx punchcast send coolVideo.mp4 '${publishUrl}' --loop`, needsKeys },
  ];
  const [port] = ingestPorts;
  if (port !== undefined) {
    const sound = ingestPorts.length > 2 ? ` -map 0:a -c copy -f rtp rtp://${host}:${port + 2}` : "";
    const sdp = `curl -T live.sdp '${page}/streams/${name}.sdp?${new URLSearchParams({ key: publishKey })}'`;
    lines.push(
      {
        label: "ffmpeg",
        text: `ffmpeg -re -i coolVideo.mp4 -map 0:v -c copy -f rtp rtp://${host}:${port}${sound} > live.sdp`,
        note: "AAC needs its SDP at the relay: hand it over with the next line.",
        needsKeys: false,
      },
      { label: "The sender's SDP", text: sdp, note: "In a network of your own, or behind TLS.", needsKeys },
      {
        label: "GStreamer, test picture",
        text: `gst-launch-1.0 videotestsrc is-live=true ! x264enc tune=zerolatency key-int-max=60 ! rtph264pay config-interval=-1 mtu=1200 ! udpsink host=${bare} port=${port}`,
        needsKeys: false,
      },
      { label: "MP4Box", text: `MP4Box -rtp -dst=${bare} -port=${port} -fps=24 coolVideo.mp4`, needsKeys: false },
    );
  }
  if (keys === undefined || keys.browserUrl !== undefined) {
    lines.push(
      {
        label: "OBS: WHIP server",
        text: `${page}/whip/${name}`,
        note: "Settings, Stream, service WHIP.",
        needsKeys: false,
      },
      { label: "OBS: bearer token", text: publishKey, needsKeys },
    );
  }
  return lines;
}

/** Lines for whoever watches. */
export function playerLines({ stream, relay, keys, origin }: LineFacts): Line[] {
  const watchUrl = keys?.watchUrl ?? `punch://${relay.punch}/${stream.name}?key=VIEW-KEY`;
  const needsKeys = keys === undefined;
  const watch = (label: string, rest: string): Line => ({
    ...{ label, text: `npx punchcast watch '${watchUrl}'${rest}`, needsKeys },
  });
  const lines = [
    watch("ffplay", " --player ffplay"),
    watch("mpv", " --player mpv"),
    watch("VLC", " --player vlc"),
    watch("Any other player", ""),
    watch("Record", " --record live.mp4"),
  ];
  if (keys !== undefined && keys.browserUrl === undefined) return lines;
  const text = keys?.browserUrl ?? `${origin}/watch/${stream.name}#key=VIEW-KEY`;
  return [{ label: "Browser", text, needsKeys }, ...lines];
}

function originOf(keys: ApiKeys | undefined, origin: string): string {
  return keys?.browserUrl === undefined ? origin : new URL(keys.browserUrl).origin;
}
