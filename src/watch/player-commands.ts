import { PunchcastError } from "../core/errors.ts";
import type { SdpMedia } from "../sdp/session.ts";
import { isMpegTs, type StreamSource } from "./stream-source.ts";

/** Players that can be started. */
export const playerNames = ["ffplay", "mpv", "vlc", "gpac", "gst"] as const;

/** One of them. */
export type PlayerName = (typeof playerNames)[number];

/** What a player is to open. */
export interface PlayerInput {
  /** The first of its ports on 127.0.0.1. */
  readonly port: number;
  readonly source: StreamSource;
  /** The file with the source's description for these ports; `undefined` for bare MPEG-TS. */
  readonly sdpPath: string | undefined;
}

/** How a player is called. */
export interface PlayerCommand {
  readonly program: string;
  /** Arguments that make it open the input with as little delay as it can. Throws BAD_OPTION if it cannot play that. */
  args(input: PlayerInput): string[];
}

/**
 * What ffmpeg's family needs for SDP, and the receive buffer, in bytes: a second of a 32 Mbit/s stream, of which the system
 * grants what it allows.
 */
export const ffmpegSdpInput: readonly string[] = [
  ...["-protocol_whitelist", "file,rtp,udp"],
  ...["-buffer_size", "4000000"],
];

/** The same for bare MPEG-TS; what does not fit into its queue is lost, and no reason to end. */
const ffmpegUdpUrl = (port: number): string =>
  `udp://127.0.0.1:${port}?buffer_size=4000000&overrun_nonfatal=1&fifo_size=20000`;

/** How long packets are waited for that others overtook, in milliseconds: more than the internet's reordering takes. */
const gstLatencyMs = 50;

/** VLC's buffer in milliseconds, of which its default is 1000; less than 200 makes it stutter. */
const vlcCachingMs = 200;

/** The players, by the names that `--player` takes. */
export const playerCommands: Readonly<Record<PlayerName, PlayerCommand>> = {
  ffplay: {
    program: "ffplay",
    // Half a second to look at the stream, and none to guess its frame rate. Not `nobuffer`, which throws away what was
    // looked at, and with it the key frame that a late player is given first; and reordering stays on.
    args: ({ port, sdpPath }) => [
      ...["-hide_banner", "-loglevel", "error", "-analyzeduration", "500000", "-fpsprobesize", "0"],
      ...["-flags", "low_delay", "-framedrop"],
      ...(sdpPath === undefined ? ["-i", ffmpegUdpUrl(port)] : [...ffmpegSdpInput, "-i", sdpPath]),
    ],
  },
  mpv: {
    program: "mpv",
    args: ({ port, sdpPath }) => [
      ...["--really-quiet", "--profile=low-latency", "--force-window=immediate"],
      "--demuxer-lavf-o=protocol_whitelist=[file,rtp,udp],buffer_size=4000000",
      sdpPath ?? `udp://127.0.0.1:${port}`,
    ],
  },
  vlc: {
    program: "vlc",
    args: ({ port, source, sdpPath }) => [
      ...["--quiet", "--play-and-exit", "--no-video-title-show", `--network-caching=${vlcCachingMs}`],
      vlcLocation(source, port, sdpPath),
    ],
  },
  gpac: {
    program: "gpac",
    args: ({ port, sdpPath }) => ["-i", sdpPath ?? `udp://127.0.0.1:${port}/`, "vout", "aout"],
  },
  gst: { program: "gst-launch-1.0", args: ({ port, source }) => ["-q", ...gstPipeline(source, port)] },
};

/** MPEG-TS plays in every VLC; for anything else in RTP it needs the live555 plugin, for which it takes the SDP. */
function vlcLocation(source: StreamSource, port: number, sdpPath: string | undefined): string {
  if (source.kind === "mpegts") return `udp://@127.0.0.1:${port}`;
  if (isMpegTs(source.sdp)) return `rtp://@127.0.0.1:${port}`;
  return sdpPath ?? `rtp://@127.0.0.1:${port}`;
}

/** A pipeline as gst-launch-1.0 takes it: for each track a socket, a jitter buffer, and whatever decodes it. */
function gstPipeline(source: StreamSource, port: number): string[] {
  if (source.kind === "mpegts") {
    const udp = ["udpsrc", "address=127.0.0.1", `port=${port}`, "buffer-size=4000000", "caps=video/mpegts"];
    return [...udp, "!", ...gstDecoder("d", ["video", "audio"])];
  }
  return source.sdp.media.flatMap((media, line) => {
    const caps = gstCaps(media);
    if (caps === undefined) return [];
    const udp = ["udpsrc", "address=127.0.0.1", `port=${port + 2 * line}`, "buffer-size=4000000", `caps=${caps}`];
    const kinds = isMpegTs(source.sdp) ? (["video", "audio"] as const) : [media.kind];
    return [...udp, "!", "rtpjitterbuffer", `latency=${gstLatencyMs}`, "!", ...gstDecoder(`d${line}`, kinds)];
  });
}

/** `decodebin` takes the payload format's depacketizer, parser and decoder; from it one branch a kind of media. */
function gstDecoder(name: string, kinds: readonly string[]): string[] {
  const branches = kinds.map((kind) =>
    kind === "audio"
      ? [`${name}.`, "!", "queue", "!", "audioconvert", "!", "audioresample", "!", "autoaudiosink"]
      : [`${name}.`, "!", "queue", "!", "videoconvert", "!", "autovideosink"],
  );
  return ["decodebin", `name=${name}`, ...branches.flat()];
}

/**
 * The caps of a track: of the rtpmap, and each parameter of the fmtp under its own name, as GStreamer's SDP reader has
 * them. `undefined` if its codec is not known.
 */
function gstCaps({ kind, formats }: SdpMedia): string | undefined {
  const [format] = formats;
  if (format?.codec === undefined || format.clockRate === undefined) return undefined;
  const { payloadType, codec, clockRate, channels, fmtp = "" } = format;
  const parameters = fmtp
    .split(";")
    .map((part) => /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(part))
    .filter((match) => match !== null)
    .map(([, name = "", value = ""]) => `${name.toLowerCase()}=(string)${quote(value)}`);
  return [
    "application/x-rtp",
    `media=(string)${kind}`,
    `payload=(int)${payloadType}`,
    `clock-rate=(int)${clockRate}`,
    `encoding-name=(string)${quote(codec.toUpperCase())}`,
    ...(channels === undefined ? [] : [`encoding-params=(string)${quote(String(channels))}`]),
    ...parameters,
  ].join(",");
}

/** Quoted, since values hold commas and equals signs; without what would end the quotes. */
function quote(value: string): string {
  return `"${value.replaceAll(/["\\]/g, "")}"`;
}

/** Refuses what only a VLC with live555 plays. @throws PunchcastError BAD_OPTION */
export function refuseForVlc(source: StreamSource, hasLive555: boolean): void {
  if (source.kind === "mpegts" || isMpegTs(source.sdp) || hasLive555) return;
  const codecs = source.sdp.media.map(({ formats }) => formats[0]?.codec ?? "an unnamed codec").join(" and ");
  throw new PunchcastError(
    "BAD_OPTION",
    `This VLC lacks the live555 plugin and plays RTP only if it holds MPEG-TS, not ${codecs}: take --player mpv or --player ffplay.`,
  );
}
