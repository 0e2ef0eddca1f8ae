import assert from "node:assert/strict";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { capture } from "../support/captures.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { sentByKernel, shell } from "../support/nat-host.ts";
import { type ReceiverEvent, runPython, runRelay, runWatch, type SourceEvent } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const options = { ...(await needsLab("python3", "ffmpeg", "nft", "conntrack")), timeout: 60_000 };
const { path: pcap, skip } = capture("mp4box-0.8.1-h264-aac.pcap");
const noKeys = ["--view-key", "not-used-1", "--publish-key", "not-used-2"] as const;
const natFlags = (folder: string) => ["--plane", "nat", "--state", join(folder, "relay.json")];

test("the seed's client gets all of ffmpeg's stream through the kernel's NAT", options, async (t) => {
  await withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false, client: { ports: "random" } }), async (lab) => {
      const host = lab.host("relay");
      const relay = runRelay(host, "--open", ...noKeys, ...natFlags(folder));
      const { plane, streams } = await relay.until("listening");
      assert.deepEqual([plane, streams[0]?.viewers], ["nat", "one"]);
      const client = runPython<ReceiverEvent>(lab.host("C1"), "rtp-receiver.py", "seed", "10.10.10.197", "9000");
      await relay.until("hole-opened");
      const input = ["-nostdin", "-loglevel", "error", "-re", "-i", sampleClipPath(), "-t", "5"];
      const output = ["-map", "0:v", "-c", "copy", "-f", "rtp", "rtp://10.10.10.197:9099"];
      const [code] = await once(lab.host("S1").spawn("ffmpeg", [...input, ...output], { stdio: "ignore" }), "exit");
      assert.equal(code, 0);
      const byKernel = Number(await shell(host, sentByKernel));
      const ingest = (await lab.router("router-S1").mappings()).find(({ remote }) => remote.port === 9099);
      const sent = ingest?.packets ?? 0;
      await relay.until("stats", {
        where: ({ streams: [stream] }) => stream?.in[0]?.packets === sent && stream.out.packets === sent,
      });
      await client.kill();
      const { packets, missing, duplicates, sources } = await client.until("done");
      const expected = { packets: sent, missing: 0, duplicates: 0, sources: ["10.10.10.197:9000"] };
      assert.deepEqual({ packets, missing, duplicates, sources }, expected);
      t.diagnostic(`${sent} packets sent and received, ${byKernel} of them by the kernel`);
      assert.ok(sent > 100 && byKernel > sent - 20, `${byKernel} of ${sent}`);
      await relay.kill();
    }),
  );
});

test("all four flows of MP4Box reach `watch` behind random ports; a second viewer is refused", {
  ...options,
  skip: (process.env.CI !== "true" && skip) || options.skip,
}, async (t) => {
  await withTempFolder((folder) =>
    withLab(
      seedScene({ ipv6: false, client: { ports: "random" }, moreViewers: [{ ports: "random" }] }),
      async (lab) => {
        const relay = runRelay(lab.host("relay"), ...natFlags(folder));
        const [stream] = (await relay.until("listening")).streams;
        assert.ok(stream !== undefined);
        const sdp = ["--sdp", pcap.replace(/pcap$/, "sdp")];
        const viewer = runWatch(lab.host("C1"), stream.watchUrl, ...sdp, "--sdp-out", join(folder, "C1.sdp"));
        await relay.until("stats", { where: ({ streams }) => streams[0]?.holes === 4 });
        const replay = ["python3", [join(dirname(pcap), "replay.py"), pcap], { timeoutMs: 30_000 }] as const;
        const replayed = lab.host("S1").run(...replay);
        await delay(1000);
        const second = runWatch(lab.host("C2"), stream.watchUrl, ...sdp, "--sdp-out", join(folder, "C2.sdp"));
        await relay.until("stats", { where: ({ refused }) => (refused["one-viewer-only"] ?? 0) > 0 });
        await second.kill();
        const sent: Readonly<Record<string, number>> = JSON.parse((await replayed).stdout);
        const stats = await viewer.until("stats", {
          where: ({ components }) => components.every(({ component: k, packets }) => packets === sent[9099 + k]),
        });
        const lost = stats.components.map((component) => component.lost);
        t.diagnostic(`sent ${JSON.stringify(sent)}, lost ${lost}`);
        assert.deepEqual(lost, [0, 0, 0, 0]);
        const byKernel = Number(await shell(lab.host("relay"), sentByKernel));
        const all = Object.values(sent).reduce((sum, count) => sum + count, 0);
        t.diagnostic(`${byKernel} of ${all} by the kernel`);
        assert.ok(byKernel > all * 0.9, `${byKernel} of ${all}`);
        await Promise.all([relay.kill(), viewer.kill()]);
      },
    ),
  );
});

test(
  "a killed relay leaves the stream flowing, the next one adopts it, and a stop leaves nothing",
  options,
  async (t) => {
    await withTempFolder((folder) =>
      withLab(seedScene({ ipv6: true }), async (lab) => {
        const host = lab.host("relay");
        const look =
          "nft list ruleset; sysctl -a 2>/dev/null | grep -E 'forward|accept_redirects'; conntrack -L -p udp 2>/dev/null";
        // The source sends on to a closed port. As long as the kernel tracks anything it may track that, but not translate it.
        const untranslated = /^udp .* src=(\S+) dst=(\S+) sport=\d+ dport=9099 .* src=\2 dst=\1 .*\n/gm;
        const settings = async (): Promise<string> => (await shell(host, look)).replaceAll(untranslated, "");
        const before = await settings();
        const first = runRelay(host, "--components", "1", ...natFlags(folder));
        const [stream] = (await first.until("listening")).streams;
        const sdp = ["--port", "6000"];
        const viewer = runWatch(lab.host("C1"), stream?.watchUrl ?? "", ...sdp);
        await first.until("hole-opened");
        const source = runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", "10.10.10.197", "9099", "200", "25");
        await viewer.until("stats", { where: ({ components }) => (components[0]?.packets ?? 0) > 200 });
        await first.kill("SIGKILL");
        const atKill = viewer.events.length;
        await viewer.until("stats", {
          since: atKill + 2,
          where: ({ components }) => (components[0]?.packets ?? 0) > 600,
        });
        const next = runRelay(host, "--components", "1", ...natFlags(folder));
        await next.until("listening");
        await next.until("publisher", { where: ({ state }) => state === "live" });
        await next.until("stats", { where: ({ streams }) => streams[0]?.holes === 1 && streams[0].publisherLive });
        assert.deepEqual(next.all("hole-closed"), []);
        const atAdoption = viewer.events.length;
        // Past the next keepalive, which the new relay answers.
        await delay(7000);
        const last = viewer.all("stats", atAdoption).at(-1);
        t.diagnostic(
          `${last?.components[0]?.packets} packets over kill and adoption, ${last?.components[0]?.lost} lost`,
        );
        assert.equal(last?.components[0]?.lost, 0);
        const repaired = next.all("warning").filter(({ message: text }) => text.includes("put in again"));
        assert.deepEqual(repaired, [], "it was adopted as it was");
        await next.kill();
        assert.equal(await settings(), before);
        for (const file of ["journal", "switches"]) await assert.rejects(access(join(folder, `relay.json.${file}`)));

        const third = runRelay(host, "--components", "1", ...natFlags(folder));
        await third.until("stats", { where: ({ streams }) => streams[0]?.holes === 1, withinMs: 15_000 });
        const atThird = viewer.events.length;
        await viewer.until("stats", {
          since: atThird + 1,
          where: ({ components }) => (components[0]?.packets ?? 0) > 0,
        });
        await Promise.all([source.kill(), viewer.kill(), third.kill()]);
        assert.equal(await settings(), before);
      }),
    );
  },
);
