import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { capture } from "../support/captures.ts";
import { type DecodedMedia, decodeArgs, readDecoded, sdpInput } from "../support/ffmpeg.ts";
import { needsLab, untilBound, withLab } from "../support/lab.ts";
import { runRelay, runWatch } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const { path: pcap, skip } = capture("mp4box-0.8.1-h264-aac.pcap");
const missing = process.env.CI !== "true" && skip;
const options = { skip: missing || (await needsLab("python3", "ffmpeg")).skip, timeout: 60_000 };
const components = [0, 1, 2, 3];

test("all that MP4Box sends reaches `watch` behind NATs, and ffmpeg plays its SDP", options, async (t) => {
  const scene = seedScene({ ipv6: false, moreViewers: [{ ports: "random" }] });
  await withTempFolder((folder) =>
    withLab(scene, async (lab) => {
      const [home, streamer] = [lab.host("C1"), lab.host("S1")];
      const relay = runRelay(lab.host("relay"), "--state", join(folder, "relay.json"));
      const url = (await relay.until("listening")).streams[0]?.watchUrl ?? "";
      const senderSdp = pcap.replace(/pcap$/, "sdp");
      const viewers = [home, lab.host("C2")].map((host) =>
        runWatch(host, url, "--sdp", senderSdp, "--sdp-out", join(folder, `${host.name}.sdp`)),
      );
      const [ready] = await Promise.all(viewers.map((viewer) => viewer.until("ready")));
      assert.ok(ready?.sdp !== undefined);
      home.spawn("ffmpeg", decodeArgs(folder, "live", sdpInput(ready.sdp)), { stdio: "ignore" });
      const playerPorts = components.map((k) => ready.port + k);
      await untilBound(home, playerPorts);

      const replay = [join(dirname(pcap), "replay.py"), pcap];
      const { stdout } = await streamer.run("python3", replay, { timeoutMs: 30_000 });
      const sent: Readonly<Record<string, number>> = JSON.parse(stdout);
      // A report from before the first packet is kept back and told with it, so there is one more of each track's.
      const expected = components.map((component) => ({
        component,
        packets: (sent[9099 + component] ?? 0) + (component % 2),
        lost: 0,
      }));
      for (const viewer of viewers) {
        const isComplete = ({ component, packets }: { component: number; packets: number }): boolean =>
          packets === expected[component]?.packets;
        const stats = await viewer.until("stats", { where: (event) => event.components.every(isComplete) });
        const received = stats.components.map(({ component, packets, lost }) => ({ component, packets, lost }));
        assert.deepEqual(received, expected);
      }
      // MP4Box never says BYE: the player goes on waiting, and is behind by as many pictures as its decoder has threads.
      const isPlayed = ({ pictures, sound }: DecodedMedia): boolean => pictures.length >= 260 && sound.length >= 1.1e6;
      let decoded = await readDecoded(folder, "live");
      for (let attempt = 0; attempt < 100 && !isPlayed(decoded); attempt++) {
        await delay(100);
        decoded = await readDecoded(folder, "live");
      }
      const { pictures, sound } = decoded;
      const told = `${stdout.trim()} sent; ${pictures.length} pictures and ${sound.length} bytes of sound decoded`;
      t.diagnostic(told);
      assert.ok(isPlayed(decoded), told);
    }),
  );
});
