import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { writeSdp } from "../../src/sdp/session.ts";
import { openMedia } from "../../src/send/demux.ts";
import { openRtpTransport } from "../../src/send/rtp-transport.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { createSender, type SenderStats } from "../../src/send/sender.ts";
import { decodeArgs, decodeFile, makeH265Opus, readDecoded, sdpInput } from "../support/ffmpeg.ts";
import { needs } from "../support/needs.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { freePortRow, untilBound } from "../support/udp-ports.ts";

/** Sends `file` to an ffmpeg that has only the SDP, and compares what comes out with what is in the file. */
function sendToFfmpeg(file: string, host: string): Promise<SenderStats> {
  return withTempFolder(async (folder) => {
    const sent = await decodeFile(file, folder);
    const media = await openMedia(file);
    const port = await freePortRow(4, host);
    const transport = await openRtpTransport({ host, port, components: 4 });
    let onEnd = (): void => {};
    const ended = new Promise<void>((resolve) => {
      onEnd = resolve;
    });
    // Long enough for a decoder that lags behind on a busy machine: BYE makes ffmpeg drop what it has not read.
    const sender = createSender({ media, transport, lingerMs: 2000, onEnd });
    const sdp = join(folder, "live.sdp");
    await writeFile(sdp, writeSdp(sender.describe(transport.address, port)));
    const player = spawn("ffmpeg", decodeArgs(folder, "live", sdpInput(sdp)), {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 60_000,
    });
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
    const live = await readDecoded(folder, "live");
    assert.ok(sent.pictures.length > 0 && sent.sound.length > 48_000);
    assert.deepEqual(live.pictures, sent.pictures, complaints);
    assert.ok(live.sound.equals(sent.sound), `${live.sound.length} of ${sent.sound.length} bytes of sound, or others`);
    assert.equal(transport.sendErrors(), 0);
    return sender.stats();
  });
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
  await withTempFolder(async (folder) => {
    const file = join(folder, "x.mp4");
    await makeH265Opus(file, 4);
    await sendToFfmpeg(file, "::1");
  });
});
