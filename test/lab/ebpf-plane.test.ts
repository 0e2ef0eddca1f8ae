import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LabNode } from "../../src/lab/lab.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { planeScene } from "../support/nat-harness.ts";
import { shell } from "../support/nat-host.ts";
import { type CrowdEvent, type ReceiverEvent, runPython, runRelay, type SourceEvent } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const options = { ...(await needsLab("root", "python3", "ffmpeg")), timeout: 180_000 };
const noKeys = ["--view-key", "not-used-1", "--publish-key", "not-used-2"] as const;
const peekPath = fileURLToPath(new URL("../support/ebpf-peek.ts", import.meta.url));
const relayAddress = "10.10.10.197";

interface Peek {
  readonly pins: readonly string[];
  readonly arrived: number;
  readonly holes: readonly { readonly packets: number }[];
  readonly reasons: Readonly<Record<string, number>>;
}

async function peek(host: LabNode): Promise<Peek> {
  return JSON.parse((await host.run(process.execPath, [peekPath])).stdout);
}

/** A lab's links take a moment to come up; what is sent before is lost. */
const untilUp = (host: LabNode): Promise<string> =>
  shell(host, "until ip -br link show eth0 | grep -q ' UP '; do sleep 0.02; done");

const traces = (host: LabNode): Promise<string> =>
  shell(host, "ls /sys/fs/bpf; tc qdisc; tc filter show dev eth0 ingress; sysctl -a 2>/dev/null | grep forwarding");

test(
  "the seed's client gets all of ffmpeg's stream, cloned in the kernel, and a stop leaves nothing",
  options,
  async (t) => {
    await withTempFolder((folder) =>
      withLab(seedScene({ ipv6: false, client: { ports: "random" } }), async (lab) => {
        const host = lab.host("relay");
        await untilUp(host);
        const before = await traces(host);
        const relay = runRelay(host, "--open", ...noKeys, "--plane", "ebpf", "--state", join(folder, "relay.json"));
        assert.equal((await relay.until("listening")).plane, "ebpf");
        const client = runPython<ReceiverEvent>(lab.host("C1"), "rtp-receiver.py", "seed", relayAddress, "9000");
        await relay.until("hole-opened");
        const input = ["-nostdin", "-loglevel", "error", "-re", "-i", sampleClipPath(), "-t", "4"];
        const output = ["-map", "0:v", "-c", "copy", "-f", "rtp", `rtp://${relayAddress}:9099`];
        const [code] = await once(lab.host("S1").spawn("ffmpeg", [...input, ...output], { stdio: "ignore" }), "exit");
        assert.equal(code, 0);
        const ingest = (await lab.router("router-S1").mappings()).find(({ remote }) => remote.port === 9099);
        const sent = ingest?.packets ?? 0;
        await relay.until("stats", {
          where: ({ streams: [stream] }) => stream?.in[0]?.packets === sent && stream.out.packets === sent,
        });
        const { arrived } = await peek(host);
        await client.kill();
        const { packets, missing, duplicates, sources } = await client.until("done");
        const expected = { packets: sent, missing: 0, duplicates: 0, sources: [`${relayAddress}:9000`] };
        assert.deepEqual({ packets, missing, duplicates, sources }, expected);
        t.diagnostic(`${sent} packets sent and received, ${arrived} of them cloned by the kernel`);
        assert.ok(sent > 80 && arrived > sent - 30, `${arrived} of ${sent}`);
        await relay.kill();
        assert.equal(await traces(host), before);
      }),
    );
  },
);

// By hand: PUNCHCAST_KILLS=12 is the minute of the acceptance.
const kills = Number(process.env.PUNCHCAST_KILLS ?? 2);

test(`100 viewers lose no packet while the relay is killed and started ${kills} times`, options, async (t) => {
  await withTempFolder((folder) =>
    withLab(planeScene, async (lab) => {
      const host = lab.host("relay");
      const config = join(folder, "relay.yaml");
      const stream = "streams:\n  - { name: live, components: 1, viewKey: not-used-1, publishKey: not-used-2 }";
      await writeFile(config, `open: true\nplane: ebpf\nlimits: { bareHoles: 200 }\n${stream}\n`);
      const start = () => runRelay(host, "--config", config, "--state", join(folder, "relay.json"));
      await untilUp(host);
      const before = await traces(host);
      let relay = start();
      await relay.until("listening");
      const crowd = runPython<CrowdEvent>(lab.host("C1"), "crowd.py", relayAddress, "9000", "100");
      await relay.until("stats", { where: ({ streams }) => streams[0]?.holes === 100 });
      const seconds = String(kills * 5 + 20);
      const source = runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", relayAddress, "9099", "200", seconds);
      await relay.until("stats", { where: ({ streams }) => (streams[0]?.in[0]?.packets ?? 0) > 300 });
      for (let kill = 0; kill < kills; kill += 1) {
        await delay(2_500);
        await relay.kill("SIGKILL");
        await delay(1_000);
        relay = start();
        await relay.until("listening");
        await relay.until("stats", { where: ({ streams }) => streams[0]?.holes === 100 && streams[0].publisherLive });
        assert.deepEqual(relay.all("hole-closed"), []);
      }
      await delay(1_000);
      await source.kill();
      const { sent } = await source.until("done");
      await delay(500);
      const { reasons } = await peek(host);
      await crowd.kill();
      const { packets, missing, duplicates } = await crowd.until("done");
      t.diagnostic(
        `${sent} sent, ${Math.min(...packets)} to ${Math.max(...packets)} received, ${JSON.stringify(reasons)}`,
      );
      assert.deepEqual(
        { missing, duplicates, least: Math.min(...packets) },
        { missing: 0, duplicates: 0, least: sent },
      );
      await relay.kill();
      assert.equal(await traces(host), before);
    }),
  );
});

test(
  "a hole stops by itself when its consent has run out and no relay runs; clean removes what is left",
  options,
  async () => {
    await withTempFolder((folder) =>
      withLab(planeScene, async (lab) => {
        const host = lab.host("relay");
        await untilUp(host);
        const before = await traces(host);
        const state = join(folder, "relay.json");
        const relay = runRelay(host, "--open", ...noKeys, "--plane", "ebpf", "--components", "1", "--state", state);
        await relay.until("listening");
        const client = runPython<ReceiverEvent>(lab.host("C1"), "rtp-receiver.py", "seed", relayAddress, "9000");
        await relay.until("hole-opened");
        const source = runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", relayAddress, "9099", "50", "60");
        await relay.until("stats", { where: ({ streams }) => (streams[0]?.out.packets ?? 0) > 50 });
        await relay.kill("SIGKILL");
        await delay(3_000);
        const flowing = await peek(host);
        assert.ok((flowing.holes[0]?.packets ?? 0) > 150, "it goes on without the relay");
        await delay(27_500);
        const [first, , second] = [await peek(host), await delay(1_000), await peek(host)];
        assert.equal(second.holes[0]?.packets, first.holes[0]?.packets, "and ends with the consent");
        assert.ok((second.reasons.expired ?? 0) > (first.reasons.expired ?? 0));
        const entry = fileURLToPath(new URL("../support/punchcast-entry.ts", import.meta.url));
        const { stdout } = await host.run(process.execPath, [entry, "clean", "--state", state, "--json"]);
        assert.match(stdout, /eBPF program, 9 maps and 1 links/);
        assert.equal(await traces(host), before);
        await Promise.all([client.kill(), source.kill()]);
      }),
    );
  },
);
