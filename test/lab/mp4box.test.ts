import assert from "node:assert/strict";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { capture } from "../support/captures.ts";
import { decodeArgs, readDecoded, sdpInput } from "../support/ffmpeg.ts";
import { needsLab, untilBound, withLab } from "../support/lab.ts";
import { runRelay, runWatch } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const { path: pcap, skip } = capture("mp4box-0.8.1-h264-aac.pcap");
const options = {
  skip: (process.env.CI !== "true" && skip) || (await needsLab("python3", "ffmpeg")).skip,
  timeout: 60_000,
};

test(
  "all that MP4Box sends reaches `watch` behind NATs, and ffmpeg plays the SDP that it writes",
  options,
  async (t) => {
    await withTempFolder(async (folder) => {
      await withLab(seedScene({ ipv6: false, moreViewers: [{ ports: "random" }] }), async (lab) => {
        const relay = runRelay(lab.host("relay"), "--state", join(folder, "relay.json"));
        const [stream] = (await relay.until("listening")).streams;
        assert.ok(stream !== undefined);
        const senderSdp = ["--sdp", pcap.replace(/pcap$/, "sdp")];
        const viewers = ["C1", "C2"].map((name) => {
          return runWatch(lab.host(name), stream.watchUrl, ...senderSdp, "--sdp-out", join(folder, `${name}.sdp`));
        });
        const [ready] = await Promise.all(viewers.map((viewer) => viewer.until("ready")));
        assert.ok(ready?.sdp !== undefined);
        const player = lab
          .host("C1")
          .spawn("ffmpeg", decodeArgs(folder, "live", sdpInput(ready.sdp)), { stdio: "ignore" });
        const played = once(player, "exit");
        await untilBound(
          lab.host("C1"),
          [0, 1, 2, 3].map((k) => ready.port + k),
        );

        const replay = await lab
          .host("S1")
          .run("python3", [join(dirname(pcap), "replay.py"), pcap], { timeoutMs: 30_000 });
        const sent: Readonly<Record<string, number>> = JSON.parse(replay.stdout);
        const expected = [0, 1, 2, 3].map((component) => ({ component, packets: sent[9099 + component], lost: 0 }));
        for (const viewer of viewers) {
          const isComplete = ({ component, packets }: { component: number; packets: number }): boolean =>
            packets === sent[9099 + component];
          const stats = await viewer.until("stats", { where: ({ components }) => components.every(isComplete) });
          const received = stats.components.map(({ component, packets, lost }) => ({ component, packets, lost }));
          assert.deepEqual(received, expected);
        }
        // MP4Box never says BYE, so the player has to be told that it is over.
        player.kill("SIGINT");
        await played;
        const { pictures, sound } = await readDecoded(folder, "live");
        t.diagnostic(
          `sent ${JSON.stringify(sent)}; ${pictures.length} pictures and ${sound.length} bytes of sound decoded`,
        );
        assert.ok(pictures.length > 250, `${pictures.length} pictures`);
        assert.ok(sound.length > 48_000, `${sound.length} bytes of sound`);
      });
    });
  },
);
