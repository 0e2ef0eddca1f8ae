import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { rewriteForPlayer } from "../../src/sdp/rewrite.ts";
import { readSdp, writeSdp } from "../../src/sdp/session.ts";
import { type Watch, type WatchOptions, watch } from "../../src/watch/watch.ts";
import { openPeer, startRelay, type TestRelay, withCleanup } from "../server/support.ts";
import { startPunchcast } from "../support/cli.ts";
import { fakeTools } from "../support/fake-tools.ts";
import { needs } from "../support/needs.ts";
import { viewKey } from "../support/punch-request.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);

/** A sender of ffmpeg's: pictures with a key frame every `keySeconds` and sound, as it describes itself. */
async function makeClip(file: string, seconds: number, keySeconds: number): Promise<void> {
  const rate = 25;
  const picture = ["-f", "lavfi", "-i", `testsrc2=size=320x240:rate=${rate}:duration=${seconds}`];
  const sound = ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=48000:duration=${seconds}`];
  const video = ["-c:v", "libx264", "-preset", "ultrafast", "-g", String(rate * keySeconds), "-bf", "0"];
  const keys = ["-x264-params", "scenecut=0:repeat-headers=1"];
  await run("ffmpeg", ["-loglevel", "error", ...picture, ...sound, ...video, ...keys, "-c:a", "aac", file]);
}

/** A child process that is killed at the end of the test. */
function child(program: string, args: readonly string[]): { close(): Promise<void>; ended: Promise<unknown> } {
  const started = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(started, "close");
  return {
    ended,
    async close() {
      started.kill("SIGKILL");
      await ended;
    },
  };
}

/** Sends a clip's tracks to the relay as ffmpeg does, and returns its SDP. */
async function sendClip(
  use: <T extends { close(): Promise<void> }>(thing: T) => T,
  relay: TestRelay,
  clip: string,
  folder: string,
): Promise<string> {
  const sdpFile = join(folder, "sent.sdp");
  const to = (component: number): string => `rtp://127.0.0.1:${relay.ingestPort + component}?pkt_size=1200`;
  const outputs = [
    ...["-map", "0:v", "-c", "copy", "-f", "rtp", to(0)],
    ...["-map", "0:a", "-c", "copy", "-f", "rtp", to(2)],
  ];
  use(child("ffmpeg", ["-nostdin", "-loglevel", "error", "-re", "-i", clip, ...outputs, "-sdp_file", sdpFile]));
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const text = await readFile(sdpFile, "utf8").catch(() => "");
    if (text.includes("m=audio")) return text;
    await wait(20);
  }
  throw new Error("ffmpeg wrote no SDP");
}

async function startWatch(relay: TestRelay, options: Partial<WatchOptions> = {}): Promise<Watch> {
  const target = parsePunchUrl(`punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`);
  return watch({ target, ...options });
}

interface Probed {
  readonly streams: readonly {
    readonly codec_name: string;
    readonly duration?: string;
    readonly nb_read_packets: string;
  }[];
  readonly format: { readonly duration: string };
}

async function probe(file: string): Promise<Probed> {
  const args = ["-v", "error", "-show_streams", "-show_format", "-count_packets", "-of", "json", file];
  return JSON.parse((await run("ffprobe", args)).stdout);
}

const tools = needs("ffmpeg", "ffprobe");

for (const suffix of ["mp4", "mkv", "ts"]) {
  test(`records to .${suffix} while a player of one's own has the stream too`, tools, () =>
    withTempFolder((folder) =>
      withCleanup(async (use) => {
        const clip = join(folder, "clip.mp4");
        await makeClip(clip, 10, 1);
        const relay = use(await startRelay());
        const sdp = readSdp(await sendClip(use, relay, clip, folder));
        const watching = use(await startWatch(relay, { sdp }));
        const file = join(folder, `recorded.${suffix}`);
        const ended = watching.record(file);
        await wait(4_000);
        const closingAt = performance.now();
        await watching.close();
        const took = performance.now() - closingAt;
        assert.equal((await ended).code, 0);
        assert.ok(took < 1_000, `finished without a signal, in ${took} ms`);
        const { streams, format } = await probe(file);
        assert.deepEqual(streams.map(({ codec_name }) => codec_name).sort(), ["aac", "h264"]);
        assert.ok(Number(format.duration) > 3 && Number(format.duration) < 6, format.duration);
      }),
    ),
  );
}

test(
  "a player that starts 3 s late has its first picture within half a second, though key frames are 10 s apart",
  tools,
  () =>
    withTempFolder((folder) =>
      withCleanup(async (use) => {
        const clip = join(folder, "clip.mp4");
        await makeClip(clip, 12, 10);
        const relay = use(await startRelay());
        // What the sender is known to be, before it sends.
        const about = readSdp(
          "v=0\r\ns=x\r\nm=video 9099 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=audio 9101 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000\r\n",
        );
        const watching = use(await startWatch(relay, { sdp: about }));
        const sdp = readSdp(await sendClip(use, relay, clip, folder));
        const sdpPath = join(folder, "late.sdp");
        await writeFile(sdpPath, writeSdp(rewriteForPlayer(sdp, { address: "127.0.0.1", basePort: watching.port })));
        await wait(3_000);
        const startedAt = performance.now();
        const input = ["-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,rtp,udp", "-i", sdpPath];
        const hashes = join(folder, "pictures");
        const pictures = ["-map", "0:v", "-frames:v", "75", "-fps_mode", "passthrough", "-flush_packets", "1"];
        const player = child("ffmpeg", [...input, ...pictures, "-f", "framemd5", hashes]);
        use(player);
        const seen = (): string[] => readFileSync(hashes, "utf8").split("\n").filter(isPicture);
        await until("the first picture", () => existsSync(hashes) && seen().length > 0);
        const took = performance.now() - startedAt;
        assert.ok(took < 500, `${took} ms`);
        await player.ended;
        // From the very first picture on, none missing, none twice.
        const all = join(folder, "all");
        await run("ffmpeg", ["-loglevel", "error", "-i", clip, ...pictures, "-f", "framemd5", all]);
        const hashOf = (line: string): string | undefined => line.split(",").at(-1);
        const wanted = readFileSync(all, "utf8").split("\n").filter(isPicture);
        assert.deepEqual(seen().map(hashOf), wanted.map(hashOf));
      }),
    ),
);

const isPicture = (line: string): boolean => line !== "" && !line.startsWith("#");

test("a recording that is killed can be played", tools, () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const clip = join(folder, "clip.mp4");
      await makeClip(clip, 10, 1);
      const relay = use(await startRelay());
      const sdp = join(folder, "live.sdp");
      await writeFile(sdp, await sendClip(use, relay, clip, folder));
      const url = `punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`;
      const file = join(folder, "recorded.mp4");
      const watching = use(startPunchcast(["watch", url, "--sdp", sdp, "--record", file, "--json"]));
      await watching.event("ready");
      await wait(3_500);
      // The recorder alone, as a machine without memory would choose.
      const { stdout } = await run("pgrep", ["-P", String(watching.child.pid), "ffmpeg"]);
      process.kill(Number(stdout), "SIGKILL");
      assert.equal(await watching.exited, 3);
      assert.match(String(watching.events().at(-1)?.message), /Program ffmpeg was killed/);
      const { streams } = await probe(file);
      for (const { nb_read_packets } of streams) assert.ok(Number(nb_read_packets) > 20, nb_read_packets);
    }),
  ),
);

test("bare MPEG-TS is recorded too, and no SDP is asked for", tools, () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const clip = join(folder, "clip.mp4");
      await makeClip(clip, 10, 1);
      const relay = use(await startRelay());
      const to = `udp://127.0.0.1:${relay.ingestPort}?pkt_size=1316`;
      const watching = use(await startWatch(relay));
      const file = join(folder, "recorded.mkv");
      const ended = watching.record(file);
      use(child("ffmpeg", ["-nostdin", "-loglevel", "error", "-re", "-i", clip, "-c", "copy", "-f", "mpegts", to]));
      await wait(3_500);
      await watching.close();
      assert.equal((await ended).code, 0);
      const { streams } = await probe(file);
      assert.deepEqual(streams.map(({ codec_name }) => codec_name).sort(), ["aac", "h264"]);
      for (const { nb_read_packets } of streams) assert.ok(Number(nb_read_packets) > 40, nb_read_packets);
    }),
  ),
);

test("a recording goes on after the sender's goodbye, and is finished when nothing comes any more", tools, () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const clip = join(folder, "clip.mp4");
      await makeClip(clip, 4, 1);
      const relay = use(await startRelay());
      const sdp = readSdp(await sendClip(use, relay, clip, folder));
      const watching = use(await startWatch(relay, { sdp }));
      const file = join(folder, "recorded.mkv");
      const ended = watching.record(file);
      await wait(1_500);
      const sender = use(await openPeer());
      const bye = encodeRtcp([{ type: "bye", ssrcs: [1] }]);
      for (const component of [1, 3, 1, 3])
        sender.send(bye, { address: "127.0.0.1", port: relay.ingestPort + component });
      // The clip ends meanwhile: the recorder waits in vain.
      await wait(4_000);
      const closingAt = performance.now();
      await watching.close();
      assert.ok(performance.now() - closingAt < 1_000);
      assert.equal((await ended).code, 0);
      const { streams } = await probe(file);
      assert.ok(streams.every(({ nb_read_packets }) => Number(nb_read_packets) > 60));
    }),
  ),
);

test("mpv plays what ffmpeg sends", needs("ffmpeg", "mpv"), () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const clip = join(folder, "clip.mp4");
      await makeClip(clip, 10, 1);
      const relay = use(await startRelay());
      const sdp = readSdp(await sendClip(use, relay, clip, folder));
      const log = join(folder, "log");
      const { stdout } = await run("which", ["mpv"]);
      use(await fakeTools(folder, { mpv: `exec ${stdout.trim()} --vo=null --ao=null --log-file=${log} "$@"` }));
      const watching = use(await startWatch(relay, { sdp }));
      const ended = watching.play("mpv");
      await until(
        "a picture",
        () => existsSync(log) && /playback restart complete .*video=playing/.test(readFileSync(log, "utf8")),
        8_000,
      );
      await watching.close();
      await ended;
    }),
  ),
);

test("GStreamer plays what GStreamer sends", needs("gst-launch-1.0"), () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const relay = use(await startRelay());
      const at = (component: number): string[] => ["host=127.0.0.1", `port=${relay.ingestPort + component}`];
      const picture = "videotestsrc is-live=true ! vp8enc deadline=1 keyframe-max-dist=25 ! rtpvp8pay ! udpsink".split(
        " ",
      );
      const sound = "audiotestsrc is-live=true ! audioconvert ! opusenc ! rtpopuspay pt=97 ! udpsink".split(" ");
      use(child("gst-launch-1.0", ["-q", ...picture, ...at(0), ...sound, ...at(2)]));
      const sdp = readSdp(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
          "m=video 5004 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=audio 5006 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n",
      );
      const log = join(folder, "log");
      const { stdout } = await run("which", ["gst-launch-1.0"]);
      use(await fakeTools(folder, { "gst-launch-1.0": `shift; exec ${stdout.trim()} -v "$@" >${log}` }));
      const watching = use(await startWatch(relay, { sdp }));
      const ended = watching.play("gst");
      const says = (pattern: RegExp): boolean => existsSync(log) && pattern.test(readFileSync(log, "utf8"));
      await until("a picture", () => says(/sink: caps = video\/x-raw/), 8_000);
      await until("sound", () => says(/sink: caps = audio\/x-raw/), 8_000);
      await watching.close();
      await ended;
    }),
  ),
);
