import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Scene } from "../../src/lab/scene.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { attend, type ReceiverEvent, runPython, runRelay, runSend, type SourceEvent } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const options = { ...(await needsLab("python3")), timeout: 60_000 };
const random = { ports: "random" } as const;
/** Lets in whatever comes from wherever, so that a wrong source is seen. */
const open = { filtering: "endpoint-independent" } as const;

const config = `publicAddress: relay.example
streams:
  - { name: four, ingestPort: 9099 }
  - { name: six, ingestPort: 9199 }
  - { name: keyed, ingestPort: none }
`;

/** Who watches what, at which of the relay's addresses: publisher and viewer meet in every mix of IPv4 and IPv6. */
const viewers = [
  { name: "C1", stream: "four", at: "[fd00:10::197]", mapped: "[fd00:10::112]" },
  { name: "C2", stream: "six", at: "10.10.10.197", mapped: "10.10.10.113" },
  { name: "C3", stream: "four", at: "10.10.10.198", mapped: "10.10.10.114" },
  { name: "C4", stream: "six", at: "[fd00:10::198]", mapped: "[fd00:10::115]" },
  { name: "C5", stream: "keyed", at: "10.10.10.198", mapped: "10.10.10.116" },
] as const;

test("media leaves from the address that was punched, whatever the publisher's and its version", options, async (t) => {
  const scene = withMoreAddresses(seedScene({ moreViewers: [random, {}, random, {}, open, open] }));
  await withTempFolder((folder) =>
    withLab(scene, async (lab) => {
      const path = join(folder, "relay.yaml");
      await writeFile(path, config);
      const relay = runRelay(lab.host("relay"), "--open", "--config", path, "--state", join(folder, "state.json"));
      const { punch, addresses, streams } = await relay.until("listening");
      // What is printed is the public address; what is bound are those that the host has.
      assert.equal(punch, "relay.example:9000");
      assert.ok(streams.every(({ watchUrl }) => watchUrl.startsWith("punch://relay.example/")));
      const own = ["10.10.10.197", "10.10.10.198", "[fd00:10::197]", "[fd00:10::198]"].map((host) => `${host}:9000`);
      assert.deepEqual(addresses.filter((address) => own.includes(address)).sort(), own);

      const urlOf = (name: string, at: string, kind: "watchUrl" | "publishUrl" = "watchUrl"): string =>
        streams.find((stream) => stream.name === name)?.[kind].replace("relay.example", at) ?? "";
      const audiences = await Promise.all(
        viewers.map(({ name, stream, at }) => attend(lab.host(name), urlOf(stream, at))),
      );
      const seedClients = (["10.10.10.198", "fd00:10::198"] as const).map((at, i) => ({
        at,
        client: runPython<ReceiverEvent>(lab.host(`C${i + 6}`), "rtp-receiver.py", "seed", at, "9000"),
      }));
      await relay.until("stats", { where: (stats) => stats.streams[0]?.holes === 2 * 4 + seedClients.length });

      const streamer = lab.host("S1");
      const sources = {
        four: runPython<SourceEvent>(streamer, "rtp-source.py", "10.10.10.197", "9099", "50", "3"),
        six: runPython<SourceEvent>(streamer, "rtp-source.py", "fd00:10::197", "9199", "50", "3"),
      };
      runSend(streamer, sampleClipPath(), urlOf("keyed", "[fd00:10::198]", "publishUrl"));
      const sent = { four: (await sources.four.until("done")).sent, six: (await sources.six.until("done")).sent };

      for (const [i, { watch, player }] of audiences.entries()) {
        const { name, stream, at, mapped } = viewers[i] ?? assert.fail();
        const punched = watch.all("punched");
        assert.deepEqual(new Set(punched.map((hole) => hole.relay)), new Set([`${at}:9000`]), name);
        assert.ok(
          punched.every((hole) => hole.mapped?.startsWith(`${mapped}:`)),
          JSON.stringify(punched),
        );
        if (stream === "keyed") {
          await player.until("first");
          continue;
        }
        await watch.until("stats", { where: ({ components }) => components[0]?.packets === sent[stream] });
        await player.kill();
        const { packets, missing } = await player.until("done");
        assert.deepEqual({ packets, missing }, { packets: sent[stream], missing: 0 }, name);
      }
      for (const { at, client } of seedClients) {
        await client.kill();
        const { packets, missing, sources: from } = await client.until("done");
        assert.deepEqual({ packets, missing, from }, { packets: sent.four, missing: 0, from: [`${at}:9000`] });
      }
      t.diagnostic(`${sent.four} packets over IPv4 and ${sent.six} over IPv6 in, all of them out at each viewer`);
    }),
  );
});

function withMoreAddresses(scene: Scene): Scene {
  const moreAddresses = ["10.10.10.198", "fd00:10::198"];
  return { ...scene, hosts: scene.hosts.map((host) => (host.name === "relay" ? { ...host, moreAddresses } : host)) };
}
