import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { decodeRtp } from "../../src/rtp/header.ts";
import { annexB } from "../support/annex-b.ts";
import { readPcap } from "../support/captures.ts";
import { type DecodedMedia, decodeArgs, readDecoded } from "../support/ffmpeg.ts";

const run = promisify(execFile);
const quiet = ["-nostdin", "-loglevel", "error", "-y"];

/** Long enough for a player that starts three seconds late to show some key frames, which are a second apart. */
export const clipSeconds = 8;
/** Pictures a second. */
export const pictureRate = 25;

/** Files that are sent, each picture and each moment of sound of which occurs once. */
export interface Clips {
  /** H.264 with B-frames and parameter sets in every key frame, and Opus. */
  readonly h264Opus: string;
  /** The same pictures, and AAC, in which every frame is decoded the same whatever came before. */
  readonly h264Aac: string;
  readonly vp8Opus: string;
}

/** Makes them. */
export async function makeClips(folder: string): Promise<Clips> {
  const [h264Opus, h264Aac, vp8Opus] = ["h264-opus.mp4", "h264-aac.mp4", "vp8-opus.webm"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const picture = ["-f", "lavfi", "-i", `testsrc2=size=320x240:rate=${pictureRate}:duration=${clipSeconds}`];
  const chirps = "0.3*sin(2*PI*(300+100*t)*t)|0.3*sin(2*PI*(500+70*t)*t)";
  const sound = ["-f", "lavfi", "-i", `aevalsrc=${chirps}:s=48000:d=${clipSeconds}`];
  const x264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2"];
  const x264Params = ["-x264-params", "scenecut=0:repeat-headers=1"];
  await run("ffmpeg", [...quiet, ...picture, ...sound, ...x264, ...x264Params, "-c:a", "libopus", h264Opus]);
  // Noise that a decoder makes up differs with what it decoded before.
  const aac = ["-c:a", "aac", "-aac_pns", "0", "-aac_is", "0"];
  await run("ffmpeg", [...quiet, "-i", h264Opus, "-c:v", "copy", ...aac, h264Aac]);
  const vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k", "-g", "25"];
  const tracks = ["-map", "0:v", "-map", "1:a"];
  await run("ffmpeg", [...quiet, ...picture, "-i", h264Opus, ...tracks, ...vp8, "-c:a", "copy", vp8Opus]);
  return { h264Opus, h264Aac, vp8Opus };
}

/** Decodes a file as it is sent `passes` times over, without the edit list that RTP has no place for. */
export async function decodeSent(file: string, folder: string, passes = 1): Promise<DecodedMedia> {
  const name = `sent-${passes}`;
  const loop = ["-stream_loop", String(passes - 1)];
  const input = [...loop, "-ignore_editlist", "1", "-flags2", "skip_manual", "-i", file];
  const isMp4 = file.endsWith(".mp4");
  await run("ffmpeg", decodeArgs(folder, name, isMp4 ? input : [...loop, "-flags2", "skip_manual", "-i", file]));
  return readDecoded(folder, name);
}

/** Decodes what MP4Box sent in a capture, from its packets and its SDP: the file is not known. */
export async function decodeCapture(pcap: string, folder: string): Promise<DecodedMedia> {
  const sdp = await readFile(pcap.replace(/pcap$/, "sdp"), "utf8");
  const sets = (/sprop-parameter-sets=([^;\s]+)/.exec(sdp)?.[1] ?? "").split(",");
  const payloads = (port: number): Uint8Array[] =>
    readPcap(pcap).flatMap(({ destinationPort, payload }) => {
      const packet = destinationPort === port ? decodeRtp(payload) : undefined;
      return packet?.ok ? [packet.value.payload] : [];
    });
  const [video, audio] = ["capture.h264", "capture.aac"].map((name) => join(folder, name)) as [string, string];
  const parameterSets = sets.map((set) => Buffer.from(set, "base64"));
  await writeFile(video, Buffer.concat([...parameterSets, ...payloads(9099)].flatMap(annexB)));
  await writeFile(
    audio,
    Buffer.concat(
      payloads(9101)
        .flatMap(accessUnits)
        .flatMap((unit) => [adts(unit.length), unit]),
    ),
  );
  await run(
    "ffmpeg",
    decodeArgs(folder, "capture", ["-f", "h264", "-i", video, "-f", "aac", "-i", audio]).map((arg) =>
      arg === "0:a" ? "1:a" : arg,
    ),
  );
  return readDecoded(folder, "capture");
}

/** RFC 3640 §3.3.6: headers of 13 bits of size and 3 of index. */
function accessUnits(payload: Uint8Array): Uint8Array[] {
  const headersLength = (((payload[0] ?? 0) << 8) | (payload[1] ?? 0)) >> 3;
  const units: Uint8Array[] = [];
  let at = 2 + headersLength;
  for (let i = 2; i < 2 + headersLength; i += 2) {
    const size = (((payload[i] ?? 0) << 8) | (payload[i + 1] ?? 0)) >> 3;
    units.push(payload.slice(at, at + size));
    at += size;
  }
  return units;
}

/** ISO/IEC 14496-3 §1.A.2.2: AAC LC, 48 kHz, one channel, as the capture's config says. */
function adts(length: number): Uint8Array {
  const total = length + 7;
  return Uint8Array.of(0xff, 0xf1, 0x4c, 0x40 | (total >> 11), (total >> 3) & 0xff, ((total & 7) << 5) | 0x1f, 0xfc);
}
