import { access } from "node:fs/promises";
import { extname } from "node:path";
import type { Clock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { classifyDatagram } from "../rtp/demux.ts";
import { decodeRtcp, encodeRtcp } from "../rtp/rtcp/compound.ts";
import type { Output } from "./output.ts";
import { ffmpegSdpInput } from "./player-commands.ts";
import { endsWithin, requireTool, startTool, type Tool, type ToolEnd } from "./tool.ts";

/** A recording under way. */
export interface Recording {
  /** Resolves when the recorder has ended: by itself that is a failure, such as a full disk. */
  readonly closed: Promise<ToolEnd>;
  /** Finishes the file. Takes up to 5 s. */
  close(): Promise<void>;
}

const program = "ffmpeg";
const remedy = "install ffmpeg, or leave --record out";

/**
 * How ffmpeg writes each kind of file so that it can be played however the recording ended: MP4 in fragments of a second,
 * Matroska in clusters of a second; MPEG-TS is made for it.
 */
const formats: Readonly<Record<string, readonly string[]>> = {
  ".mp4": ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "1000000", "-f", "mp4"],
  ".mkv": ["-cluster_time_limit", "1000", "-f", "matroska"],
  ".ts": ["-f", "mpegts"],
};

/** Ending without a signal takes ffmpeg milliseconds; after this long it is asked with one. */
const goodbyeMs = 1_000;

/**
 * Makes sure that the file can be recorded.
 * @throws PunchcastError BAD_OPTION for another suffix than .mp4, .mkv and .ts, TOOL_MISSING, FILE_UNWRITABLE if it exists
 */
export async function requireRecorder(file: string): Promise<void> {
  formatOf(file);
  await requireTool(program, remedy);
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (exists)
    throw new PunchcastError("FILE_UNWRITABLE", `${file} exists: give --record another name, or move it away.`);
}

/**
 * Records what an SDP file describes, without encoding it anew. `output` brings the packets to the ports in that file, of
 * which there are `tracks`, with their RTCP.
 * @throws PunchcastError as `requireRecorder`
 */
export async function recordSdp(options: {
  readonly file: string;
  readonly sdpPath: string;
  readonly output: Output;
  readonly tracks: number;
  readonly clock: Clock;
}): Promise<Recording> {
  const { file, sdpPath, output, tracks, clock } = options;
  const tool = await start(file, [...ffmpegSdpInput, "-i", sdpPath], { clock });
  // A goodbye on every track is the end of the stream, however little of it comes; a signal would be heard with the next
  // packet only, or cost the end of the file.
  const sayGoodbye = (): void => {
    for (let line = 0; line < tracks; line += 1) output.deliver(2 * line + 1, goodbye);
  };
  return recordingOf(tool, clock, sayGoodbye);
}

/** Records bare MPEG-TS, which goes to ffmpeg through a pipe. Returns the output to be fed as well. */
export async function recordMpegTs(options: {
  readonly file: string;
  readonly clock: Clock;
}): Promise<{ readonly recording: Recording; readonly output: Output }> {
  const { file, clock } = options;
  const tool = await start(file, ["-f", "mpegts", "-i", "pipe:0"], { clock, hasInput: true });
  const { input } = tool;
  const output: Output = {
    deliver(component, bytes) {
      // A disk that is slower than the stream loses packets, not memory.
      if (component === 0 && input?.writable && input.writableLength < pipeMaxBytes) input.write(bytes);
    },
    close: async () => void input?.end(),
  };
  return { output, recording: recordingOf(tool, clock, () => void input?.end()) };
}

/** What may wait for the recorder: 16 MiB is a disk that stalls for 15 s at 9 Mbit/s. */
const pipeMaxBytes = 16 << 20;

/** Sent when a recording ends (RFC 3550 §6.6); the recorder counts goodbyes and does not look at who says them. */
const goodbye = encodeRtcp([
  { type: "receiver-report", ssrc: 1, reports: [] },
  { type: "bye", ssrcs: [1] },
]);

/**
 * The same packet without the sender's goodbyes; `undefined` if nothing is left. Some senders say it at the end of a loop
 * and go on, and a recorder would end there. For an output that `recordSdp` gets.
 */
export function withoutGoodbye(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes === goodbye || classifyDatagram(bytes) !== "rtcp") return bytes;
  const packets = decodeRtcp(bytes);
  if (!packets.ok || !packets.value.some(({ type }) => type === "bye")) return bytes;
  const rest = packets.value.filter(({ type }) => type !== "bye");
  return rest.length === 0 ? undefined : encodeRtcp(rest);
}

function start(file: string, input: readonly string[], how: { clock: Clock; hasInput?: boolean }): Promise<Tool> {
  const quiet = ["-hide_banner", "-loglevel", "error", "-n", ...(how.hasInput ? [] : ["-nostdin"])];
  const args = [...quiet, ...input, "-map", "0", "-c", "copy", "-flush_packets", "1", ...formatOf(file), file];
  return startTool({ name: program, args, remedy, ...how });
}

function recordingOf(tool: Tool, clock: Clock, askToEnd: () => void): Recording {
  return {
    closed: tool.closed,
    async close() {
      askToEnd();
      if (!(await endsWithin(tool.closed, clock, goodbyeMs))) await tool.stop(["SIGINT", "SIGTERM"]);
    },
  };
}

function formatOf(file: string): readonly string[] {
  const suffix = extname(file).toLowerCase();
  const format = formats[suffix];
  if (format !== undefined) return format;
  throw new PunchcastError(
    "BAD_OPTION",
    `--record ${file} has no suffix that tells its kind: end it in ${Object.keys(formats).join(", ")}.`,
  );
}
