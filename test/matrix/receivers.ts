import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type PlayerInput, playerCommands } from "../../src/watch/player-commands.ts";
import { type DecodedMedia, decodeArgs, readDecoded, sdpInput } from "../support/ffmpeg.ts";
import { needs } from "../support/needs.ts";
import { decodeFiles } from "./decode-files.ts";

/** A player of the matrix, made to write down what it decodes. */
export interface MatrixReceiver {
  readonly name: string;
  readonly skip: string | false;
  /** Why it cannot play this itself; `undefined` if it can. */
  cannot(input: PlayerInput): string | undefined;
  /** What it keeps in its decoder when it is closed. */
  readonly tailPictures: number;
  /** Starts it; what it writes goes to the folder. */
  start(input: PlayerInput, folder: string): ChildProcess;
  /** What end it so that it writes all it has. */
  readonly signals: readonly NodeJS.Signals[];
  /** Reads what it wrote. */
  read(folder: string): Promise<DecodedMedia>;
  /** What of its log is a complaint about the stream. */
  complaints(log: string): string[];
}

const linesOf = (log: string): string[] => log.split("\n").filter((line) => line.trim() !== "");
const isTs = ({ source }: PlayerInput): boolean =>
  source.kind === "mpegts" || source.sdp.media[0]?.formats[0]?.codec === "MP2T";

const ffmpeg: MatrixReceiver = {
  name: "ffmpeg",
  skip: needs("ffmpeg").skip,
  tailPictures: 5,
  cannot: () => undefined,
  start({ sdpPath, port }, folder) {
    // As long as `watch --player ffplay` looks at the stream; and each thread of a decoder keeps a picture to itself.
    const look = ["-threads", "1", "-analyzeduration", "500000", "-fpsprobesize", "0"];
    const url = `udp://127.0.0.1:${port}?buffer_size=4000000&overrun_nonfatal=1&fifo_size=20000`;
    const input = sdpPath === undefined ? ["-i", url] : sdpInput(sdpPath);
    return tool("ffmpeg", decodeArgs(folder, "live", [...look, ...input]));
  },
  signals: ["SIGKILL"],
  read: (folder) => readDecoded(folder, "live"),
  complaints: linesOf,
};

const mpv: MatrixReceiver = {
  name: "mpv",
  skip: needs("mpv").skip,
  tailPictures: 5,
  cannot: () => undefined,
  start(input, folder) {
    const args = playerCommands.mpv.args(input).filter((arg) => !/really-quiet|force-window/.test(arg));
    const encode = ["-o", join(folder, "live.nut"), "--of=nut", "--ovc=rawvideo", "--oac=pcm_s16le"];
    return tool("mpv", ["--no-config", "--msg-level=all=error", ...args, ...encode]);
  },
  signals: ["SIGTERM"],
  read: (folder) => decodeFiles(folder, [join(folder, "live.nut")]),
  complaints: linesOf,
};

/** What GStreamer's base and good plugins make of a track; what they have no decoder for ffmpeg decodes from their files. */
const gstSinks: Readonly<Record<string, readonly [pipeline: string, file: string]>> = {
  H264: ["rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au", "live.h264"],
  VP8: ["rtpvp8depay ! vp8dec ! videoconvert ! video/x-raw,format=I420 ! y4menc", "live.y4m"],
  OPUS: ["rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE,rate=48000,channels=2", "live.pcm"],
  "MPEG4-GENERIC": ["rtpmp4gdepay ! aacparse ! audio/mpeg,stream-format=adts", "live.aac"],
  MP2T: ["rtpmp2tdepay", "live.ts"],
};

const gst: MatrixReceiver = {
  name: "gst",
  skip: needs("gst-launch-1.0").skip,
  tailPictures: 0,
  cannot: () => undefined,
  start(input, folder) {
    const codecs =
      input.source.kind === "mpegts" ? [] : input.source.sdp.media.map(({ formats }) => formats[0]?.codec ?? "");
    const sources = playerCommands.gst
      .args(input)
      .join("\n")
      .split(/^udpsrc\n/m)
      .slice(1);
    const pipeline = sources.flatMap((source, i) => {
      const [head = ""] = source.split("decodebin");
      const [sink, file] = gstSinks[codecs[i]?.toUpperCase() ?? ""] ?? ["identity", "live.ts"];
      const end = ["!", "filesink", `location=${join(folder, file)}`];
      return ["udpsrc", ...head.trim().split("\n"), ...sink.split(" "), ...end];
    });
    return tool("gst-launch-1.0", ["-q", "-e", ...pipeline]);
  },
  signals: ["SIGINT"],
  async read(folder) {
    const names = ["live.h264", "live.y4m", "live.ts", "live.aac", "live.pcm"];
    return decodeFiles(
      folder,
      names.map((name) => join(folder, name)),
    );
  },
  complaints: (log) => linesOf(log).filter((line) => /error|warning/i.test(line)),
};

const vlc: MatrixReceiver = {
  name: "vlc",
  skip: needs("cvlc").skip,
  tailPictures: 10,
  cannot: (input) => (isTs(input) ? undefined : "Debian's VLC has no live555"),
  start(input, folder) {
    // Its windows show pictures again and again, so it is made to write what it demultiplexes.
    const out = `#std{access=file,mux=ts,dst=${join(folder, "live.ts")}}`;
    const args = playerCommands.vlc.args(input).filter((arg) => arg !== "--quiet");
    const command = ["env", `HOME=${folder}`, "cvlc", "-I", "dummy", "--sout", out, ...args];
    // VLC refuses to run as root.
    if (process.getuid?.() !== 0) return tool("env", command.slice(1));
    return tool("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", ...command]);
  },
  signals: ["SIGTERM"],
  async read(folder) {
    const { pictures, sound } = await decodeFiles(folder, [join(folder, "live.ts")]);
    // The file is cut off within a picture.
    return { pictures: pictures.slice(0, -1), sound };
  },
  complaints: (log) => linesOf(log).filter((line) => /ts demux error|main input error/.test(line)),
};

/** The players that people use. */
export const matrixReceivers: readonly MatrixReceiver[] = [ffmpeg, mpv, gst, vlc];

function tool(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], timeout: 60_000, killSignal: "SIGKILL" });
}

/** A receiver at work. */
export interface Receiving {
  /** Ends it and reads what it wrote. */
  finish(): Promise<{ readonly decoded: DecodedMedia; readonly complaints: readonly string[] }>;
  close(): Promise<void>;
}

/** Starts a receiver. */
export function receive(receiver: MatrixReceiver, input: PlayerInput, folder: string): Receiving {
  const child = receiver.start(input, folder);
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      log += chunk.toString();
    });
  }
  const closed = once(child, "close");
  const end = async (signals: readonly NodeJS.Signals[]): Promise<void> => {
    for (const signal of signals) {
      child.kill(signal);
      await wait(50);
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), 4_000);
    await closed;
    clearTimeout(timer);
  };
  return {
    async finish() {
      await end(receiver.signals);
      const nothing = { pictures: [], sound: Buffer.alloc(0) };
      const decoded = await receiver.read(folder).catch((error: Error) => {
        log += `error: ${error.message}\n`;
        return nothing;
      });
      return { decoded, complaints: receiver.complaints(log) };
    },
    close: () => end(["SIGKILL"]),
  };
}
