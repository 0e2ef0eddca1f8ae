import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Lab } from "../../src/lab/lab.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { writeSdp } from "../../src/sdp/session.ts";
import { openMedia } from "../../src/send/demux.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { createSender } from "../../src/send/sender.ts";
import type { ListeningStream } from "../../src/server/server-events.ts";
import { type DecodedMedia, decodeArgs, decodeFile, makeH265Opus, readDecoded, sdpInput } from "../support/ffmpeg.ts";
import { needsLab, untilBound, withLab } from "../support/lab.ts";
import { runRelay, runSend, runWatch } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const options = { ...(await needsLab("ffmpeg")), timeout: 90_000 };

/** The second stream comes from and goes to where every port is drawn anew for every remote. */
const symmetric = { mapping: "address-and-port-dependent", ports: "random" } as const;

test("ffmpeg decodes from `watch` every picture and sample of the file that `send` publishes", options, async (t) => {
  await withTempFolder(async (folder) => {
    const second = join(folder, "h265-opus.mp4");
    await makeH265Opus(second, 5);
    await withLab(seedScene({ ipv6: false, streamer: symmetric, moreViewers: [symmetric] }), async (lab) => {
      const config = join(folder, "relay.yaml");
      await writeFile(config, "streams: [{ name: h264, ingestPort: none }, { name: h265, ingestPort: none }]\n");
      const relay = runRelay(lab.host("relay"), "--config", config, "--state", join(folder, "relay.json"));
      const [h264, h265] = (await relay.until("listening")).streams;
      assert.ok(h264 !== undefined && h265 !== undefined);
      const passes = await Promise.all([
        sendAndDecode(lab, "C1", h264, sampleClipPath()),
        sendAndDecode(lab, "C2", h265, second),
      ]);
      for (const [i, { sent, live }] of passes.entries()) {
        t.diagnostic(
          `${["H.264 + AAC", "H.265 + Opus"][i]}: ${live.pictures.length} pictures, ${live.sound.length} bytes of sound`,
        );
        assert.ok(sent.pictures.length >= 100 && sent.sound.length > 100_000);
        assert.deepEqual(live.pictures, sent.pictures);
        assert.ok(
          live.sound.equals(sent.sound),
          `${live.sound.length} of ${sent.sound.length} bytes of sound, or others`,
        );
      }
    });
  });
});

/** Publishes `file` from S1 and plays it on a host: what is in the file, and what came out there. */
async function sendAndDecode(
  lab: Lab,
  viewerName: string,
  stream: ListeningStream,
  file: string,
): Promise<{ sent: DecodedMedia; live: DecodedMedia }> {
  const viewerHost = lab.host(viewerName);
  return withTempFolder(async (folder) => {
    const sent = await decodeFile(file, folder);
    const [early, written] = [join(folder, "early.sdp"), join(folder, "written.sdp")];
    await writeFile(early, await describeFile(file));
    const viewer = runWatch(viewerHost, stream.watchUrl, "--sdp", early, "--sdp-out", join(folder, "player.sdp"));
    const ready = await viewer.until("ready");
    const input = sdpInput(ready.sdp ?? "");
    const player = viewerHost.spawn("ffmpeg", decodeArgs(folder, "live", input), {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const played = once(player, "exit");
    await untilBound(
      viewerHost,
      [0, 1, 2, 3].map((k) => ready.port + k),
    );
    const sender = runSend(lab.host("S1"), file, stream.publishUrl, "--sdp", written);
    await sender.until("ended", { withinMs: 30_000 });
    // Both tracks have said BYE: ffmpeg ends by itself.
    await played;
    assert.equal(await readFile(written, "utf8"), await readFile(early, "utf8"));
    await viewer.kill("SIGINT");
    const { components } = viewer.all("stats").at(-1) ?? {};
    assert.deepEqual(
      components?.map(({ lost }) => lost),
      [0, 0, 0, 0],
    );
    return { sent, live: await readDecoded(folder, "live") };
  });
}

/** The SDP that `send` will write, before it sends: a viewer that shall miss nothing must have it by then. */
async function describeFile(file: string): Promise<string> {
  const media = await openMedia(file);
  try {
    return writeSdp(createSender({ media, transport: { send: () => {} } }).describe("10.10.10.197", 5004));
  } finally {
    await media.close();
  }
}
