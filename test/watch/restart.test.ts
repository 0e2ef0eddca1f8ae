import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { readSdp } from "../../src/sdp/session.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { watch } from "../../src/watch/watch.ts";
import type { WatchEvent } from "../../src/watch/watch-events.ts";
import { startRelay, withCleanup } from "../server/support.ts";
import { capture } from "../support/captures.ts";
import { sdpInput } from "../support/ffmpeg.ts";
import { needs } from "../support/needs.ts";
import { viewKey } from "../support/punch-request.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { untilBound } from "../support/udp-ports.ts";
import { until } from "../support/until.ts";

/** A publisher to be killed and started again, and what the player sees of it. */
interface Scene {
  /** Starts the publisher towards the relay's ingest ports. */
  readonly publish: (ingestPort: number) => ChildProcess;
  readonly sdp: string;
  readonly components: readonly number[];
  readonly t: TestContext;
}

interface Outcome {
  /** From the second start to its first picture, in ms. */
  readonly backMs: number;
  /** A hash of each picture. */
  readonly pictures: readonly string[];
  /** Pictures before the second start. */
  readonly firstRun: number;
  /** Packets as the player times them, in seconds. */
  readonly video: readonly number[];
  readonly sound: readonly number[];
  /** What the player complains of after the second start: packets too late, and times that go back. */
  readonly dropped: number;
  readonly disordered: number;
  readonly restarts: readonly string[];
}

/** The relay takes a publisher on another port once the old one has been still for a second. */
const pauseMs = 1_100;

/** Lines of a frame hash file, each split at its commas. */
async function readHashes(path: string): Promise<string[][]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const lines = text.split("\n").slice(0, -1);
  return lines.filter((line) => !line.startsWith("#")).map((line) => line.split(",").map((cell) => cell.trim()));
}

async function readTimes(path: string): Promise<number[]> {
  const text = await readFile(path, "utf8");
  const [, numerator = 1, denominator = 1] = (/^#tb 0: (\d+)\/(\d+)/m.exec(text) ?? []).map(Number);
  return (await readHashes(path)).map(([, , pts]) => (Number(pts) * numerator) / denominator);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Plays the publisher for five seconds, kills it, starts it again, and plays four more to the same player. */
async function playTwice({ publish, sdp, components, t }: Scene): Promise<Outcome> {
  let outcome: Outcome | undefined;
  await withTempFolder((folder) =>
    withCleanup(async (use) => {
      const relay = use(await startRelay({ sdp: new Map([["live", sdp]]) }));
      const events: WatchEvent[] = [];
      const watching = use(
        await watch({
          target: parsePunchUrl(`punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`),
          ...{ components, sdp: readSdp(sdp), onEvent: (event) => events.push(event) },
        }),
      );
      const file = (name: string): string => join(folder, name);
      const out = (map: string, ...args: string[]): string[] => ["-map", map, ...args, "-flush_packets", "1"];
      const player = spawn(
        "ffmpeg",
        [
          ...["-hide_banner", "-nostdin", "-loglevel", "warning", ...sdpInput(watching.sdpPath ?? "")],
          ...[...out("0:v", "-fps_mode", "passthrough"), "-f", "framemd5", file("pictures")],
          ...[...out("0:v", "-c", "copy"), "-f", "framecrc", file("video")],
          ...[...out("0:a", "-c", "copy"), "-f", "framecrc", file("sound")],
        ],
        { stdio: ["ignore", "ignore", "pipe"], timeout: 60_000 },
      );
      let said = "";
      player.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      use({ close: () => stop(player) });
      await untilBound([0, 1, 2, 3].map((component) => watching.port + component));
      const pictures = (): Promise<string[][]> => readHashes(file("pictures"));
      const first = publish(relay.ingestPort);
      use({ close: () => stop(first) });
      await wait(5_000);
      await stop(first);
      await wait(pauseMs);
      const firstRun = (await pictures()).length;
      const saidBefore = said.length;
      const startedAt = performance.now();
      const second = publish(relay.ingestPort);
      use({ close: () => stop(second) });
      let backMs = Number.POSITIVE_INFINITY;
      while (performance.now() - startedAt < 5_000) {
        // A decoder with threads gives its last pictures of the first run when more comes.
        if (backMs > 5_000 && (await pictures()).length > firstRun + 12) backMs = performance.now() - startedAt;
        await wait(20);
      }
      await stop(second);
      await stop(player);
      const count = (what: RegExp): number => said.slice(saidBefore).match(what)?.length ?? 0;
      outcome = {
        ...{ backMs: Math.round(backMs), firstRun },
        pictures: (await pictures()).map((cells) => cells.at(-1) ?? ""),
        video: await readTimes(file("video")),
        sound: await readTimes(file("sound")),
        dropped: count(/dropping old packet/g),
        disordered: count(/non.monoton/gi),
        restarts: events.flatMap((event) =>
          event.event === "publisher-restarted" ? [`${event.component} ${event.kind}`] : [],
        ),
      };
      const { video, sound, pictures: all, ...rest } = outcome;
      t.diagnostic(JSON.stringify({ ...rest, pictures: all.length, video: video.length, sound: sound.length }));
    }),
  );
  return outcome ?? assert.fail();
}

/** Where the second run begins in a row of times: after the largest step. */
function secondStart(times: readonly number[]): number {
  // The first packet of a stream may have no time.
  let start = 2;
  for (let i = 3; i < times.length; i += 1) if (stepTo(times, i) > stepTo(times, start)) start = i;
  return start;
}

function stepTo(times: readonly number[], i: number): number {
  return (times[i] ?? 0) - (times[i - 1] ?? 0);
}

/** How much later the packets of the second run are than the same ones of the first, in ms; the first few find their clock. */
function shiftMs(times: readonly number[]): number {
  const at = secondStart(times);
  const shifts = times.slice(at + 10, at + 60).map((time, i) => (time - (times[i + 10] ?? 0)) * 1000);
  return shifts.toSorted((a, b) => a - b)[shifts.length >> 1] ?? Number.NaN;
}

function verify(outcome: Outcome, kind: string, t: TestContext): void {
  const { pictures, backMs, dropped, disordered, restarts, video, sound } = outcome;
  const apartMs = shiftMs(video) - shiftMs(sound);
  t.diagnostic(JSON.stringify({ video: shiftMs(video), sound: shiftMs(sound), apartMs }));
  assert.ok(backMs < 3_000, `back after ${backMs} ms`);
  assert.equal(dropped, 0);
  assert.equal(disordered, 0);
  assert.deepEqual([...restarts].sort(), [`0 ${kind}`, `2 ${kind}`]);
  // The second run begins with the picture that the first one began with: nothing of its key frame was lost.
  const second = pictures.lastIndexOf(pictures[0] ?? "");
  assert.ok(second > 80, `first picture again at ${second}`);
  assert.deepEqual(pictures.slice(second, second + 50), pictures.slice(0, 50));
  assert.ok(Math.abs(apartMs) < 40, "sound is where it was beside the picture");
}

const { path: pcap, skip } = capture("mp4box-0.8.1-h264-aac.pcap");
const mp4boxOptions = { ...needs("python3", "ffmpeg"), timeout: 60_000 };
if (!mp4boxOptions.skip && process.env.CI !== "true") mp4boxOptions.skip = skip;

// With its reports, whose wall clock stands still until the relay has repaired them.
test("MP4Box killed and started again: ffmpeg plays on", mp4boxOptions, async (t) => {
  const publish = (port: number): ChildProcess =>
    spawn(
      "python3",
      [join(dirname(pcap), "replay.py"), pcap, "--to", "127.0.0.1", "--port", `${port}`, "--ephemeral"],
      {
        stdio: "ignore",
      },
    );
  const sdp = await readFile(pcap.replace(/pcap$/, "sdp"), "utf8");
  verify(await playTwice({ publish, sdp, components: [0, 1, 2, 3], t }), "same-ssrc", t);
});

test("ffmpeg killed and started again: ffmpeg plays on", { ...needs("ffmpeg"), timeout: 60_000 }, async (t) => {
  await withTempFolder(async (folder) => {
    const sdpPath = join(folder, "sender.sdp");
    const publish = (port: number): ChildProcess => {
      const output = (map: string, at: number): string[] => [
        "-map",
        map,
        "-c",
        "copy",
        "-f",
        "rtp",
        `rtp://127.0.0.1:${at}`,
      ];
      const input = ["-nostdin", "-loglevel", "error", "-y", "-re", "-i", sampleClipPath()];
      return spawn("ffmpeg", [...input, "-sdp_file", sdpPath, ...output("0:v", port), ...output("0:a", port + 2)], {
        stdio: "ignore",
      });
    };
    // To nobody: for its SDP.
    const described = publish(9);
    let sdp = "";
    try {
      await until("an SDP", () => described.exitCode === null);
      for (let attempt = 0; attempt < 200 && !/m=audio[\s\S]*\n/.test(sdp); attempt += 1) {
        await wait(20);
        sdp = await readFile(sdpPath, "utf8").catch(() => "");
      }
    } finally {
      await stop(described);
    }
    verify(await playTwice({ publish, sdp, components: [0, 1, 2, 3], t }), "new-ssrc", t);
  });
});
