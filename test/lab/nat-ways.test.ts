import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Scene } from "../../src/lab/scene.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { sentByKernel, shell } from "../support/nat-host.ts";
import { type ReceiverEvent, runPython, runRelay, runSend, runWatch, type SourceEvent } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const options = { ...(await needsLab("python3", "nft", "conntrack")), timeout: 60_000 };
const noKeys = ["--view-key", "not-used-1", "--publish-key", "not-used-2"] as const;
const nat = (folder: string): string[] => ["--plane", "nat", "--state", join(folder, "relay.json")];

/** The seed's picture, with a second address of either version at the relay. */
function twoAddresses(): Scene {
  const scene = seedScene({ client: { ports: "random" } });
  const hosts = scene.hosts.map((host) => {
    return host.name === "relay" ? { ...host, moreAddresses: ["10.10.10.198", "fd00:10::198"] } : host;
  });
  return { ...scene, hosts };
}

for (const [to, punched, what] of [
  ["10.10.10.197", "10.10.10.198", "IPv4"],
  ["fd00:10::197", "fd00:10::198", "IPv6"],
] as const) {
  test(
    `${what}: the kernel writes the address that the viewer punched to, whichever the publisher sends to`,
    options,
    () =>
      withTempFolder((folder) =>
        withLab(twoAddresses(), async (lab) => {
          const relay = runRelay(lab.host("relay"), "--open", ...noKeys, ...nat(folder));
          await relay.until("listening");
          const client = runPython<ReceiverEvent>(lab.host("C1"), "rtp-receiver.py", "seed", punched, "9000");
          await relay.until("hole-opened");
          const source = runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", to, "9099", "200", "3");
          const { sent } = await source.until("done");
          await relay.until("stats", { where: ({ streams }) => streams[0]?.out.packets === sent });
          const byKernel = Number(await shell(lab.host("relay"), sentByKernel));
          assert.ok(byKernel > sent - 60, `${byKernel} of ${sent}`);
          await client.kill();
          const { packets, missing, sources } = await client.until("done");
          assert.deepEqual({ packets, missing, sources }, { packets: sent, missing: 0, sources: [`${punched}:9000`] });
          await relay.kill();
        }),
      ),
  );
}

test("a publisher with the key is carried from the punch port", options, () =>
  withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false }), async (lab) => {
      const relay = runRelay(lab.host("relay"), "--ingest-port", "none", ...nat(folder));
      const [stream] = (await relay.until("listening")).streams;
      const viewer = runWatch(lab.host("C1"), stream?.watchUrl ?? "");
      await relay.until("stats", { where: ({ streams }) => streams[0]?.holes === 4 });
      const sender = runSend(
        lab.host("S1"),
        sampleClipPath(),
        stream?.publishUrl ?? "",
        "--sdp",
        join(folder, "live.sdp"),
      );
      await viewer.until("stats", { where: ({ components }) => (components[0]?.packets ?? 0) > 60 });
      const byKernel = Number(await shell(lab.host("relay"), sentByKernel));
      assert.ok(byKernel > 50, `${byKernel} by the kernel`);
      const { streams } = await relay.until("stats", { since: relay.events.length });
      assert.equal(streams[0]?.publisherLive, true);
      const { components } = await viewer.until("stats", { since: viewer.events.length });
      assert.deepEqual(
        components.map(({ lost }) => lost),
        [0, 0, 0, 0],
      );
      await Promise.all([sender.kill(), viewer.kill(), relay.kill()]);
    }),
  ),
);

test("on a stream with takeover the newest viewer gets it", options, () =>
  withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false, moreViewers: [{}] }), async (lab) => {
      const config = join(folder, "relay.yaml");
      await writeFile(config, "plane: nat\nstreams: [{ name: live, components: 1, takeover: true }]\n");
      const relay = runRelay(lab.host("relay"), "--config", config, "--state", join(folder, "relay.json"));
      const [stream] = (await relay.until("listening")).streams;
      assert.equal(stream?.viewers, "newest");
      const first = runWatch(lab.host("C1"), stream.watchUrl);
      const source = runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", "10.10.10.197", "9099", "200", "20");
      await first.until("stats", { where: ({ components }) => (components[0]?.packets ?? 0) > 100 });
      const second = runWatch(lab.host("C2"), stream.watchUrl);
      await relay.until("hole-closed", { where: ({ reason }) => reason === "taken-over" });
      await second.until("stats", { where: ({ components }) => (components[0]?.packets ?? 0) > 400 });
      const { components } = await second.until("stats", { since: second.events.length });
      assert.equal(components[0]?.lost, 0);
      await Promise.all([source.kill(), first.kill(), second.kill(), relay.kill()]);
    }),
  ),
);
