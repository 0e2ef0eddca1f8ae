import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DecodedMedia } from "../support/ffmpeg.ts";

const run = promisify(execFile);

/** Decodes what players wrote: the pictures of the first of the files that has some, and the sound of the first that has. */
export async function decodeFiles(folder: string, files: readonly string[]): Promise<DecodedMedia> {
  const there = files.filter((file) => existsSync(file));
  const quiet = ["-nostdin", "-loglevel", "error", "-y", "-flags2", "skip_manual"];
  const out = (name: string): string => join(folder, `read.${name}`);
  let [pictures, sound]: [readonly string[], Buffer] = [[], Buffer.alloc(0)];
  for (const file of there) {
    if (file.endsWith(".pcm")) {
      sound = await readFile(file);
      continue;
    }
    const pcm = ["-map", "0:a?", "-c:a", "pcm_s16le", "-f", "s16le", out("pcm")];
    const md5 = ["-map", "0:v?", "-fps_mode", "passthrough", "-f", "framemd5", out("md5")];
    const wanted = file.endsWith(".h264") || file.endsWith(".y4m") ? md5 : /aac/.test(file) ? pcm : [...md5, ...pcm];
    await run("ffmpeg", [...quiet, "-i", file, ...wanted]);
    if (wanted !== pcm) pictures = await hashes(out("md5"));
    if (wanted !== md5) sound = await readFile(out("pcm"));
  }
  return { pictures, sound };
}

async function hashes(path: string): Promise<string[]> {
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => line.split(",").at(-1)?.trim() ?? "");
}
