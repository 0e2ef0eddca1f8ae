import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { writeSdp } from "../../src/sdp/session.ts";
import { openMedia } from "../../src/send/demux.ts";
import { openRtpTransport } from "../../src/send/rtp-transport.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { createSender, type SenderStats } from "../../src/send/sender.ts";
import { needs } from "../support/needs.ts";
import { freePortRow, untilBound } from "../support/udp-ports.ts";

const ffmpeg = (...args: string[]): Promise<unknown> =>
  promisify(execFile)("ffmpeg", ["-hide_banner", "-loglevel", "error", "-y", ...args], { timeout: 60_000 });

/** The hashes of a framemd5 file, one a picture; times are left out, for players choose their own zero. */
async function readHashes(path: string): Promise<string[]> {
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => line.split(",").at(-1)?.trim() ?? "");
}

/** Arguments that make of an input its pictures' hashes and its sound as raw samples. */
function decodeArgs(folder: string, name: string, inputArgs: string[]): string[] {
  return [
    ...inputArgs,
    ...["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", join(folder, `${name}.md5`)],
    ...["-map", "0:a", "-c:a", "pcm_s16le", "-f", "s16le", join(folder, `${name}.pcm`)],
  ];
}

/** Sends `file` to an ffmpeg that has only the SDP, and compares what comes out with what is in the file. */
async function sendToFfmpeg(file: string, host: string): Promise<SenderStats> {
  const folder = await mkdtemp(join(tmpdir(), "punchcast-"));
  try {
    // Without the edit list ffmpeg gives out the encoder's delay too, as it does where there is no such list: in RTP.
    await ffmpeg(...decodeArgs(folder, "file", ["-ignore_editlist", "1", "-flags2", "skip_manual", "-i", file]));
    const media = await openMedia(file);
    const port = await freePortRow(4, host);
    const transport = await openRtpTransport({ host, port, components: 4 });
    let onEnd = (): void => {};
    const ended = new Promise<void>((resolve) => {
      onEnd = resolve;
    });
    // Long enough for a decoder that lags behind on a busy machine: BYE makes ffmpeg drop what it has not read.
    const sender = createSender({ media, transport, lingerMs: 2000, onEnd });
    await writeFile(join(folder, "live.sdp"), writeSdp(sender.describe(transport.address, port)));
    const input = [
      "-flags2",
      "skip_manual",
      "-protocol_whitelist",
      "file,rtp,udp",
      "-buffer_size",
      "4000000",
      "-i",
      join(folder, "live.sdp"),
    ];
    const player = spawn(
      "ffmpeg",
      ["-hide_banner", "-loglevel", "warning", "-y", ...decodeArgs(folder, "live", input)],
      { stdio: ["ignore", "ignore", "pipe"], timeout: 60_000 },
    );
    let complaints = "";
    player.stderr.on("data", (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    const exited = once(player, "exit");
    try {
      await untilBound([port, port + 1, port + 2, port + 3]);
      sender.start();
      await ended;
      // Both tracks have said BYE: ffmpeg ends by itself.
      await exited;
    } finally {
      sender.stop();
      player.kill("SIGKILL");
      await transport.close();
      await media.close();
    }
    const [fileHashes, liveHashes] = await Promise.all(
      ["file", "live"].map((n) => readHashes(join(folder, `${n}.md5`))),
    );
    assert.ok(fileHashes !== undefined && fileHashes.length > 0);
    assert.deepEqual(liveHashes, fileHashes, complaints);
    const [filePcm, livePcm] = await Promise.all(["file", "live"].map((n) => readFile(join(folder, `${n}.pcm`))));
    assert.ok(filePcm !== undefined && livePcm !== undefined && filePcm.length > 48_000);
    assert.ok(
      livePcm.equals(filePcm),
      `sound differs: ${livePcm.length} bytes arrived, ${filePcm.length} are in the file`,
    );
    assert.equal(transport.sendErrors(), 0);
    return sender.stats();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("ffmpeg decodes every picture and sample of H.264 and AAC", { ...needs("ffmpeg"), timeout: 90_000 }, async () => {
  const stats = await sendToFfmpeg(sampleClipPath(), "127.0.0.1");
  assert.deepEqual(
    stats.tracks.map(({ accessUnits }) => accessUnits),
    [250, 470],
  );
});

test("ffmpeg decodes every picture and sample of H.265 and Opus, over IPv6", {
  ...needs("ffmpeg"),
  timeout: 90_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "punchcast-"));
  try {
    const file = join(folder, "x.mp4");
    await ffmpeg(
      ...[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=duration=4",
        "-f",
        "lavfi",
        "-i",
        "aevalsrc=0.3*sin(2764*t)|0.3*sin(4147*t):s=48000:d=4",
      ],
      ...["-c:v", "libx265", "-x265-params", "log-level=none", "-preset", "fast", "-c:a", "libopus", file],
    );
    await sendToFfmpeg(file, "::1");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
