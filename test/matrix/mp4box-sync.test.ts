import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { startRelay } from "../../src/cli/start-relay.ts";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { rewriteForPlayer } from "../../src/sdp/rewrite.ts";
import { readSdp, writeSdp } from "../../src/sdp/session.ts";
import { watch } from "../../src/watch/watch.ts";
import { freePorts, streamOptions, withCleanup } from "../server/support.ts";
import { capture } from "../support/captures.ts";
import { needs } from "../support/needs.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { startTimedPlayer } from "../support/timed-player.ts";
import { untilBound } from "../support/udp-ports.ts";

const { path: pcap, skip } = capture("mp4box-0.8.1-h264-aac.pcap");
const options = { ...needs("python3", "ffmpeg"), timeout: 60_000 };
if (!options.skip && process.env.CI !== "true") options.skip = skip;

const host = "127.0.0.1";
const components = [0, 1, 2, 3];

/** The film's pictures and its frames of sound, in ms. */
const pictureMs = 1000 / 24;
const soundMs = 1024 / 48;

async function replayTo(port: number): Promise<void> {
  const script = join(dirname(pcap), "replay.py");
  await promisify(execFile)("python3", [script, pcap, "--to", host, "--port", String(port), "--ephemeral"]);
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** How far each is from where it stands in the film. */
const offsets = (times: readonly number[], eachMs: number): number[] =>
  times.toSorted((a, b) => a - b).map((time, i) => time - i * eachMs);

test("MP4Box through relay and watch plays in ffmpeg in sync, where its bare stream does not", options, async (t) => {
  const text = await readFile(pcap.replace(/pcap$/, "sdp"), "utf8");
  await withTempFolder((folder) =>
    withCleanup(async (use) => {
      const ingestPort = await freePorts(12);
      const [barePort, port] = [ingestPort + 4, ingestPort + 8];
      const streams = [streamOptions(ingestPort)];
      const sdp = new Map([["live", text]]);
      const relay = use(await startRelay({ streams, sdp, listen: host, punchPort: 0 }, { port: 0 }));
      const watching = use(await watch({ target: parsePunchUrl(relay.streams[0]?.watchUrl ?? ""), port }));
      const bareSdp = join(folder, "bare.sdp");
      await writeFile(bareSdp, writeSdp(rewriteForPlayer(readSdp(text), { address: host, basePort: barePort })));
      const bare = startTimedPlayer(bareSdp, folder, "bare");
      use({ close: async () => void (await bare.stop()) });
      const relayed = startTimedPlayer(await watching.described, folder, "relayed");
      use({ close: async () => void (await relayed.stop()) });
      await untilBound(components.flatMap((k) => [barePort + k, port + k]));
      await Promise.all([replayTo(ingestPort), replayTo(barePort)]);
      await wait(500);
      const [before, after] = [await bare.stop(), await relayed.stop()];
      const [pictures = [], sound = []] = after.times;
      assert.ok(pictures.length > 270 && sound.length > 540, `${pictures.length} pictures, ${sound.length} of sound`);
      const [seen, heard] = [offsets(pictures, pictureMs), offsets(sound, soundMs)];
      const apart = Math.max(...seen, ...heard) - Math.min(...seen, ...heard);
      t.diagnostic(
        `complaints: ${before.complaints} bare, ${after.complaints} relayed; sound ${(median(heard) - median(seen)).toFixed(1)} ms ` +
          `after the picture, at most ${apart.toFixed(1)} ms`,
      );
      assert.ok(before.complaints > 100);
      assert.equal(after.complaints, 0);
      assert.ok(apart < 40);
    }),
  );
});
