import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Lab } from "../../src/lab/lab.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import type { JoinerReport } from "../support/joiners.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { runRelay } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const run = promisify(execFile);
const joinersPath = fileURLToPath(new URL("../support/joiners.ts", import.meta.url));
const relayAddress = "10.10.10.197";

const [rate, keySeconds, clipSeconds, bFrames] = [25, 10, 14, 2] as const;
/** From the second second of the first sequence to its end: the last ones see the next key frame come. */
const [viewers, firstJoinMs, everyMs, watchMs] = [10, 2_000, 750, 10_000] as const;

/** The film, with parameter sets in its key frames. */
async function makeClip(file: string): Promise<void> {
  const picture = ["-f", "lavfi", "-i", `testsrc2=size=320x240:rate=${rate}:duration=${clipSeconds}`];
  const sound = ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${clipSeconds}`];
  const video = ["-c:v", "libx264", "-preset", "veryfast", "-bf", `${bFrames}`, "-g", String(rate * keySeconds)];
  const keys = ["-x264-params", "scenecut=0:repeat-headers=1"];
  await run("ffmpeg", ["-loglevel", "error", ...picture, ...sound, ...video, ...keys, "-c:a", "libopus", file]);
}

/** The hashes of a file's pictures, and what the decoder complains of. */
async function decode(file: string): Promise<{ readonly pictures: readonly string[]; readonly complaints: string }> {
  const args = ["-nostdin", "-loglevel", "error", "-i", file, "-map", "0:v", "-fps_mode", "passthrough"];
  const { stdout, stderr } = await run("ffmpeg", [...args, "-f", "framemd5", "-"]);
  const lines = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return { pictures: lines.map((line) => line.split(",").at(-1)?.trim() ?? ""), complaints: stderr };
}

/** A relay of the comparison; each has ten ports of its own from the punch port on. */
interface Contender {
  readonly name: string;
  readonly punchPort: number;
  readonly flags: readonly string[];
}

const seeds: Contender = { name: "bare forwarding", punchPort: 9100, flags: ["--no-cache", "--plane", "userspace"] };
const ours: Contender = { name: "userspace", punchPort: 9000, flags: ["--plane", "userspace"] };
const ebpf: Contender = { name: "ebpf", punchPort: 9200, flags: ["--plane", "ebpf"] };

const ingestPort = ({ punchPort }: Contender): number => punchPort + 10;
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Viewers join every relay at the same times while one ffmpeg sends to all of them. */
async function compete(lab: Lab, contenders: readonly Contender[], clip: string, folder: string) {
  const urls: string[] = [];
  for (const contender of contenders) {
    const ports = ["--punch-port", `${contender.punchPort}`, "--ingest-port", `${ingestPort(contender)}`];
    const state = ["--state", join(folder, `${contender.name}.json`)];
    const relay = runRelay(lab.host("relay"), ...ports, ...contender.flags, ...state);
    urls.push((await relay.until("listening")).streams[0]?.watchUrl ?? "");
  }
  const outputs = contenders.flatMap((contender) => {
    const to = (k: number): string => `rtp://${relayAddress}:${ingestPort(contender) + k}?pkt_size=1200`;
    return ["-map", "0:v", "-c", "copy", "-f", "rtp", to(0), "-map", "0:a", "-c", "copy", "-f", "rtp", to(2)];
  });
  const input = ["-nostdin", "-loglevel", "error", "-re", "-i", clip];
  lab.host("S1").spawn("ffmpeg", [...input, ...outputs], { stdio: "ignore" });
  await wait(firstJoinMs);
  return Promise.all(
    contenders.map(async (contender, i) => {
      const own = join(folder, contender.name);
      await mkdir(own);
      const numbers = [12_000 + 100 * i, viewers, everyMs, watchMs].map(String);
      const child = lab.host("C1").spawn(process.execPath, [joinersPath, urls[i] ?? "", own, ...numbers]);
      let text = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      child.stderr?.pipe(process.stderr);
      await once(child, "close");
      const reports: readonly JoinerReport[] = JSON.parse(text);
      return { contender, reports, folder: own };
    }),
  );
}

/** Every picture once, in order, from the key frame that began the stream on, and no word from the decoder. */
async function verify(
  { reports, folder }: { readonly reports: readonly JoinerReport[]; readonly folder: string },
  film: readonly string[],
): Promise<void> {
  for (const [viewer, { beganWithKeyFrame, breaks, lost, duplicates }] of reports.entries()) {
    const told = `viewer ${viewer} in ${folder}`;
    assert.deepEqual(
      { beganWithKeyFrame, breaks, lost, duplicates },
      { beganWithKeyFrame: true, breaks: [], lost: 0, duplicates: 0 },
      told,
    );
    const { pictures, complaints } = await decode(join(folder, `${viewer}.h264`));
    const start = film.indexOf(pictures[0] ?? "");
    assert.ok(start === 0 || start === rate * keySeconds, told);
    // The last one sent may have been cut off, and is shown before the pictures that it came after.
    const whole = pictures.slice(0, -(bFrames + 1));
    assert.deepEqual(whole, film.slice(start, start + whole.length), told);
    // At twice the rate those who came late in the sequence are behind for as long as it was old.
    const least = viewer < viewers / 3 ? rate * (keySeconds + 1) : rate * 4;
    assert.ok(start + pictures.length > least, `${told}: ${pictures.length} pictures`);
    assert.equal(complaints, "", told);
  }
}

async function race(contenders: readonly Contender[], t: TestContext): Promise<void> {
  await withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false }), async (lab) => {
      const clip = join(folder, "clip.mp4");
      await makeClip(clip);
      const { pictures: film } = await decode(clip);
      const results = await compete(lab, [seeds, ...contenders], clip, folder);
      const medians = results.map(({ contender: { name }, reports }) => {
        const times = reports.map(({ firstFrameMs }) => firstFrameMs ?? Number.POSITIVE_INFINITY);
        t.diagnostic(`${name}: median ${Math.round(median(times))} ms; ${times.map(Math.round).join(", ")}`);
        return median(times);
      });
      const [bare = 0, ...cached] = medians;
      for (const result of results.slice(1)) await verify(result, film);
      assert.ok(bare > 2_000, "the seed's viewers wait for the next key frame");
      for (const ms of cached) assert.ok(ms < 250, `${ms} ms`);
    }),
  );
}

test(
  "joining between key frames 10 s apart: the first picture is there at once, and then all of them, once",
  { ...(await needsLab("ffmpeg")), timeout: 60_000 },
  (t) => race([ours], t),
);

test(
  "the same with the kernel's clones: viewers catch up and are live without gap or repetition",
  { ...(await needsLab("root", "ffmpeg")), timeout: 60_000 },
  (t) => race([ebpf], t),
);
