import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { writeSdp } from "../../src/sdp/session.ts";
import { openMedia } from "../../src/send/demux.ts";
import { send } from "../../src/send/send.ts";
import { createSender } from "../../src/send/sender.ts";
import { openUdpSocket } from "../../src/udp/udp-socket.ts";
import { capture } from "../support/captures.ts";
import type { DecodedMedia } from "../support/ffmpeg.ts";
import { needs } from "../support/needs.ts";
import { type Clips, clipSeconds, decodeCapture, decodeSent, pictureRate } from "./clips.ts";

/** Where a sender finds the relay, on this host. */
export interface RelayPlace {
  readonly ingestPort: number;
  /** Of the stream, with the publish key. */
  readonly publishUrl: string;
}

/** A sender of the matrix. */
export interface MatrixSender {
  readonly name: string;
  readonly skip: string | false;
  /** What its datagrams are: RTP of each track, or MPEG-TS in RTP or bare. */
  readonly container: "rtp" | "rtp-mpegts" | "mpegts";
  /** Of its sound. */
  readonly channels: 1 | 2;
  /** What whoever runs the relay has to supply; default: nothing. */
  sdp?(clips: Clips): Promise<string>;
  /** What is in the packets. */
  reference(clips: Clips, folder: string): Promise<DecodedMedia>;
  /** Sends all of it, and resolves at the end. */
  send(relay: RelayPlace, clips: Clips): Promise<void>;
}

const host = "127.0.0.1";
/** Another address of this host, where the relay has no ports. */
const gpacHost = "127.0.0.2";

async function runToEnd(program: string, ...args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], timeout: (clipSeconds + 20) * 1000 });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.slice(-500)}`);
}

const ffmpegInput = (file: string): string[] => ["-nostdin", "-loglevel", "error", "-re", "-i", file];
const copy = ["-c", "copy"];

const mp4box = capture("mp4box-0.8.1-h264-aac.pcap");

/** Pictures that the one like gpac sends: of one pass and a half. */
const gpacPictures = 1.5 * clipSeconds * pictureRate;

/** gpac takes destination ports for source ports, says BYE after the first pass, and goes on with the same SSRC. */
async function sendAsGpac({ ingestPort }: RelayPlace, file: string): Promise<void> {
  const media = await openMedia(file);
  const sockets = await Promise.all(
    [0, 1, 2, 3].map((k) => openUdpSocket({ address: gpacHost, port: ingestPort + k, onDatagram: () => {} })),
  );
  const toRelay = (k: number, bytes: Uint8Array): void =>
    void sockets[k]?.send(bytes, { address: host, port: ingestPort + k });
  const ended = Promise.withResolvers<void>();
  let pictures = 0;
  const sender = createSender({
    ...{ media, loop: true, mtu: 1472 },
    transport: {
      send(k, bytes) {
        if (pictures < gpacPictures || k !== 0) toRelay(k, bytes);
        if (k !== 0 || ((bytes[1] ?? 0) & 0x80) === 0) return;
        pictures += 1;
        if (pictures === gpacPictures) ended.resolve();
        if (pictures !== clipSeconds * pictureRate) return;
        for (const [i, { ssrc }] of sender.streams.entries()) {
          const report = { type: "receiver-report", ssrc, reports: [] } as const;
          toRelay(2 * i + 1, encodeRtcp([report, { type: "bye", ssrcs: [ssrc] }]));
        }
      },
    },
  });
  sender.start();
  await ended.promise;
  sender.stop();
  await Promise.all(sockets.map((socket) => socket.close()));
  await media.close();
}

/** The senders that people use. */
export const matrixSenders: readonly MatrixSender[] = [
  {
    name: "MP4Box",
    skip: needs("python3").skip || (process.env.CI !== "true" && mp4box.skip),
    container: "rtp",
    channels: 1,
    sdp: () => readFile(mp4box.path.replace(/pcap$/, "sdp"), "utf8"),
    reference: (_clips, folder) => decodeCapture(mp4box.path, folder),
    send: ({ ingestPort }) =>
      runToEnd(
        "python3",
        join(dirname(mp4box.path), "replay.py"),
        ...[mp4box.path, "--to", host, "--port", String(ingestPort), "--ephemeral"],
      ),
  },
  {
    name: "gpac's ports",
    skip: false,
    container: "rtp",
    channels: 2,
    async sdp({ h264Aac }) {
      const media = await openMedia(h264Aac);
      const sender = createSender({ media, transport: { send: () => {} } });
      const sdp = writeSdp(sender.describe(host, 9099));
      await media.close();
      return sdp;
    },
    async reference({ h264Aac }, folder) {
      const { pictures, sound } = await decodeSent(h264Aac, folder, 2);
      return { pictures: pictures.slice(0, gpacPictures), sound: sound.subarray(0, (sound.length / 4) * 3) };
    },
    send: (relay, { h264Aac }) => sendAsGpac(relay, h264Aac),
  },
  {
    name: "ffmpeg rtp",
    skip: needs("ffmpeg").skip,
    container: "rtp",
    channels: 2,
    reference: ({ h264Opus }, folder) => decodeSent(h264Opus, folder),
    send: ({ ingestPort }, { h264Opus }) => {
      const to = (k: number): string => `rtp://${host}:${ingestPort + k}`;
      const outputs = ["-map", "0:v", ...copy, "-f", "rtp", to(0), "-map", "0:a", ...copy, "-f", "rtp", to(2)];
      return runToEnd("ffmpeg", ...ffmpegInput(h264Opus), ...outputs);
    },
  },
  {
    name: "ffmpeg rtp_mpegts",
    skip: needs("ffmpeg").skip,
    container: "rtp-mpegts",
    channels: 2,
    reference: ({ h264Aac }, folder) => decodeSent(h264Aac, folder),
    send: ({ ingestPort }, { h264Aac }) =>
      runToEnd("ffmpeg", ...ffmpegInput(h264Aac), ...copy, "-f", "rtp_mpegts", `rtp://${host}:${ingestPort}`),
  },
  {
    name: "ffmpeg mpegts",
    skip: needs("ffmpeg").skip,
    container: "mpegts",
    channels: 2,
    reference: ({ h264Aac }, folder) => decodeSent(h264Aac, folder),
    send: ({ ingestPort }, { h264Aac }) =>
      runToEnd("ffmpeg", ...ffmpegInput(h264Aac), ...copy, "-f", "mpegts", `udp://${host}:${ingestPort}?pkt_size=1316`),
  },
  {
    name: "GStreamer H.264",
    skip: needs("gst-launch-1.0").skip,
    container: "rtp",
    channels: 2,
    reference: ({ h264Opus }, folder) => decodeSent(h264Opus, folder),
    send: ({ ingestPort }, { h264Opus }) =>
      sendByGStreamer(ingestPort, h264Opus, "qtdemux", "rtph264pay config-interval=-1"),
  },
  {
    name: "GStreamer VP8",
    skip: needs("gst-launch-1.0").skip,
    container: "rtp",
    channels: 2,
    reference: ({ vp8Opus }, folder) => decodeSent(vp8Opus, folder),
    send: ({ ingestPort }, { vp8Opus }) => sendByGStreamer(ingestPort, vp8Opus, "matroskademux", "rtpvp8pay"),
  },
  {
    name: "punchcast send",
    skip: false,
    container: "rtp",
    channels: 2,
    reference: ({ h264Aac }, folder) => decodeSent(h264Aac, folder),
    async send({ publishUrl }, { h264Aac }) {
      const sending = await send({ file: h264Aac, target: publishUrl });
      await sending.ended;
      await sending.close();
    },
  },
];

function sendByGStreamer(port: number, file: string, demux: string, pay: string): Promise<void> {
  const to = (k: number): string => `udpsink host=${host} port=${port + k}`;
  const pipeline = `filesrc location=${file} ! ${demux} name=d d.video_0 ! queue ! ${pay} ! ${to(0)}`;
  const sound = `d.audio_0 ! queue ! rtpopuspay pt=97 ! ${to(2)}`;
  return runToEnd("gst-launch-1.0", "-q", ...`${pipeline} ${sound}`.split(" "));
}
