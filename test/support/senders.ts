import type { SenderCommand } from "./record-stream.ts";

/** Short and small: a few seconds of ffmpeg's test picture, cut into small packets so that pictures are fragmented. */
const seconds = 5;
/** Longer, since ffmpeg puts 15 AAC frames into a packet: only that many packets tell the clock. */
const aacSeconds = 10;
const size = "160x120";

function ffmpegVideo(encoder: readonly string[], ...extra: readonly string[]): SenderCommand {
  return (port) => [
    "ffmpeg",
    ...["-hide_banner", "-nostdin", "-loglevel", "error", "-re"],
    ...["-f", "lavfi", "-i", `testsrc2=duration=${seconds}:size=${size}:rate=15`],
    ...["-c:v", ...encoder, "-b:v", "60k", ...extra],
    ...["-f", "rtp", `rtp://127.0.0.1:${port}?pkt_size=500`],
  ];
}

function ffmpegAudio(duration: number, encoder: readonly string[], ...extra: readonly string[]): SenderCommand {
  return (port) => [
    "ffmpeg",
    ...["-hide_banner", "-nostdin", "-loglevel", "error", "-re"],
    ...["-f", "lavfi", "-i", `sine=440:duration=${duration}:sample_rate=48000`],
    ...["-c:a", ...encoder, ...extra],
    ...["-f", "rtp", `rtp://127.0.0.1:${port}`],
  ];
}

function ffmpegTransportStream(format: string, url: (port: number) => string): SenderCommand {
  return (port) => [
    "ffmpeg",
    ...["-hide_banner", "-nostdin", "-loglevel", "error", "-re"],
    ...["-f", "lavfi", "-i", `testsrc2=duration=${seconds}:size=${size}:rate=15`],
    ...["-c:v", "libx264", "-b:v", "40k", "-g", "15", "-f", format, url(port)],
  ];
}

function gstreamer(...pipeline: readonly string[]): SenderCommand {
  const sink = (port: number): string[] => ["!", "udpsink", "host=127.0.0.1", `port=${port}`];
  return (port) => ["gst-launch-1.0", "-q", ...pipeline.join(" ! ").split(" "), ...sink(port)];
}

const picture = [
  "videotestsrc num-buffers=75 pattern=ball is-live=true",
  "video/x-raw,width=160,height=120,framerate=15/1",
];
const sound = "audiotestsrc num-buffers=235 is-live=true";
const x264 = ["libx264", "-preset", "veryfast"];

/** GStreamer has no H.264 encoder in its base packages, so it gets ffmpeg's. */
const gstreamerH264: SenderCommand = (port) => [
  "sh",
  "-c",
  [
    `ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=duration=${seconds}:size=${size}:rate=15 -c:v libx264 -b:v 60k`,
    "-g 15 -f mp4 -movflags empty_moov+default_base_moof+frag_keyframe - | gst-launch-1.0 -q fdsrc ! qtdemux",
    `! rtph264pay config-interval=1 mtu=500 ! udpsink host=127.0.0.1 port=${port}`,
  ].join(" "),
];

/** Real senders by name: what is sent and with what. Names with `gst` need GStreamer, the others ffmpeg. */
export const senders: Readonly<Record<string, SenderCommand>> = {
  "ffmpeg-h264": ffmpegVideo(x264, "-g", "15"),
  "ffmpeg-h264-repeated-sets": ffmpegVideo(x264, "-g", "15", "-flags", "+global_header", "-bsf:v", "dump_extra"),
  "ffmpeg-h264-sets-in-sdp": ffmpegVideo(x264, "-g", "15", "-flags", "+global_header"),
  "ffmpeg-h264-intra-refresh": ffmpegVideo(x264, "-x264-params", "intra-refresh=1:keyint=15:bframes=0"),
  "ffmpeg-h265": ffmpegVideo(["libx265", "-preset", "fast"], "-x265-params", "log-level=none:keyint=15:open-gop=1"),
  "ffmpeg-vp8": ffmpegVideo(["libvpx", "-deadline", "realtime"], "-g", "15"),
  "ffmpeg-vp9": ffmpegVideo(
    ["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
    "-g",
    "15",
    "-strict",
    "experimental",
  ),
  "ffmpeg-opus": ffmpegAudio(seconds, ["libopus"], "-b:a", "24k"),
  "ffmpeg-aac": ffmpegAudio(aacSeconds, ["aac"], "-b:a", "16k"),
  "ffmpeg-aac-latm": ffmpegAudio(seconds, ["aac"], "-b:a", "32k", "-rtpflags", "latm"),
  "ffmpeg-pcmu": ffmpegAudio(seconds, ["pcm_mulaw"], "-ar", "8000", "-t", "2"),
  "ffmpeg-rtp-mpegts": ffmpegTransportStream("rtp_mpegts", (port) => `rtp://127.0.0.1:${port}`),
  "ffmpeg-mpegts": ffmpegTransportStream("mpegts", (port) => `udp://127.0.0.1:${port}?pkt_size=1316`),
  "gst-h264": gstreamerH264,
  "gst-vp8": gstreamer(...picture, "vp8enc deadline=1 target-bitrate=60000 keyframe-max-dist=15", "rtpvp8pay mtu=500"),
  "gst-vp9": gstreamer(...picture, "vp9enc deadline=1 target-bitrate=60000 keyframe-max-dist=15", "rtpvp9pay mtu=500"),
  "gst-opus": gstreamer(sound, "audio/x-raw,rate=48000", "opusenc bitrate=24000", "rtpopuspay"),
};
