import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const quiet = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];

/** Without a buffer: a player that waits for a stream without an end can only be killed. */
const asItComes = ["-flush_packets", "1"];

/** What was decoded: one hash a picture, times left out since players choose their own zero; and the sound's samples. */
export interface DecodedMedia {
  readonly pictures: readonly string[];
  /** Signed 16-bit little-endian. */
  readonly sound: Buffer;
}

/** Arguments that make ffmpeg decode an input's first picture track and sound track into `folder`, under `name`. */
export function decodeArgs(folder: string, name: string, inputArgs: readonly string[]): string[] {
  return [
    ...quiet,
    ...inputArgs,
    ...["-map", "0:v", "-fps_mode", "passthrough", ...asItComes, "-f", "framemd5", join(folder, `${name}.md5`)],
    ...["-map", "0:a", "-c:a", "pcm_s16le", ...asItComes, "-f", "s16le", join(folder, `${name}.pcm`)],
  ];
}

/** Input arguments for a live stream that an SDP file describes; the buffer holds what comes while ffmpeg waits for a core. */
export function sdpInput(path: string): string[] {
  const protocols = ["-protocol_whitelist", "file,rtp,udp"];
  return ["-flags2", "skip_manual", ...protocols, "-buffer_size", "4000000", "-i", path];
}

/** Reads what `decodeArgs` made. */
export async function readDecoded(folder: string, name: string): Promise<DecodedMedia> {
  const [hashes, sound] = await Promise.all([
    readFile(join(folder, `${name}.md5`), "utf8"),
    readFile(join(folder, `${name}.pcm`)),
  ]);
  const lines = hashes.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return { pictures: lines.map((line) => line.split(",").at(-1)?.trim() ?? ""), sound };
}

/** Decodes a file, with the encoder's delay that an edit list would cut off: RTP has no such list. */
export async function decodeFile(file: string, folder: string): Promise<DecodedMedia> {
  const input = ["-ignore_editlist", "1", "-flags2", "skip_manual", "-i", file];
  await ffmpeg(decodeArgs(folder, "file", input));
  return readDecoded(folder, "file");
}

/** Makes a file of `seconds` of moving picture and stereo sound. */
export async function makeH265Opus(file: string, seconds: number): Promise<void> {
  const sound = `aevalsrc=0.3*sin(2764*t)|0.3*sin(4147*t):s=48000:d=${seconds}`;
  const inputs = ["-f", "lavfi", "-i", `testsrc2=duration=${seconds}`, "-f", "lavfi", "-i", sound];
  const video = ["-c:v", "libx265", "-x265-params", "log-level=none", "-preset", "fast"];
  await ffmpeg([...quiet, ...inputs, ...video, "-c:a", "libopus", file]);
}

async function ffmpeg(args: readonly string[]): Promise<void> {
  await promisify(execFile)("ffmpeg", args, { timeout: 60_000 });
}
