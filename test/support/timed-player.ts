import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sdpInput } from "./ffmpeg.ts";

/** What an ffmpeg made of a stream. */
export interface Played {
  /** How often it complained that times stand still or go back. */
  readonly complaints: number;
  /** Presentation times in ms of the decoded pictures and of the sound's frames, in the order of decoding. */
  readonly times: readonly (readonly number[])[];
}

/** Starts an ffmpeg that decodes the stream of an SDP file until it is stopped. */
export function startTimedPlayer(sdpPath: string, folder: string, label: string): { stop(): Promise<Played> } {
  const out = join(folder, `${label}.crc`);
  const asItComes = ["-fps_mode", "passthrough", "-flush_packets", "1", "-f", "framecrc", out];
  // Decoded once more, as a player does it: that is where times that stand still are complained about.
  const args = ["-hide_banner", "-nostdin", "-y", ...sdpInput(sdpPath), ...asItComes, "-map", "0", "-f", "null", "-"];
  const child = spawn("ffmpeg", args, { stdio: ["ignore", "ignore", "pipe"], timeout: 40_000 });
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += chunk;
  });
  const ended = once(child, "close");
  return {
    async stop() {
      child.kill("SIGKILL");
      await ended;
      const text = await readFile(out, "utf8").catch(() => "");
      const times = [0, 1].map((stream) => {
        const base = new RegExp(`^#tb ${stream}: (\\d+)/(\\d+)`, "m").exec(text);
        const tickMs = (Number(base?.[1]) * 1000) / Number(base?.[2]);
        const line = new RegExp(`^${stream}, *-?\\d+, *(-?\\d+)`, "gm");
        return Array.from(text.matchAll(line), ([, pts]) => Number(pts) * tickMs);
      });
      return { complaints: log.match(/non monotonically increasing dts/gi)?.length ?? 0, times };
    },
  };
}
