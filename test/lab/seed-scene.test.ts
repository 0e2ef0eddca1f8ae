import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { dependences } from "../../src/lab/nat-behaviour.ts";
import { seedScene, type UplinkOptions } from "../../src/lab/seed-scene.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { type ReceiverEvent, runPython, runRelay } from "../support/punchcast.ts";

const options = { ...(await needsLab("python3", "ffmpeg")), timeout: 60_000 };
const [relayHost, punchPort] = ["10.10.10.197", "9000"] as const;

/** Every way to map, filter and number; and a carrier's NAT that draws ports before a home router that keeps them. */
const uplinks: readonly UplinkOptions[] = [
  ...dependences.flatMap((mapping) =>
    dependences.flatMap((filtering) => [
      { mapping, filtering, ports: "preserved" } as const,
      { mapping, filtering, ports: "random" } as const,
    ]),
  ),
  { carrier: { mapping: "address-and-port-dependent", ports: "random" } },
];

test("the seed's client gets every packet of ffmpeg's stream from relay:9000, behind every NAT", options, async (t) => {
  await withLab(seedScene({ ipv6: false, moreViewers: uplinks }), async (lab) => {
    const relay = runRelay(lab.host("relay"), "--open", "--view-key", "not used", "--publish-key", "not used");
    await relay.until("listening");
    const join = (name: string) =>
      runPython<ReceiverEvent>(lab.host(name), "rtp-receiver.py", "seed", relayHost, punchPort);
    const clients = uplinks.map((_, i) => join(`C${i + 2}`));
    await relay.until("stats", { where: ({ streams }) => streams[0]?.holes === clients.length });

    const input = ["-nostdin", "-loglevel", "error", "-re", "-i", sampleClipPath(), "-t", "6"];
    const output = ["-map", "0:v", "-c", "copy", "-f", "rtp", `rtp://${relayHost}:9099`];
    const ffmpeg = lab.host("S1").spawn("ffmpeg", [...input, ...output], { stdio: "ignore" });
    const sent = once(ffmpeg, "exit");
    const came = async (least: number): Promise<number> => {
      const stats = await relay.until("stats", { where: ({ streams }) => (streams[0]?.in[0]?.packets ?? 0) >= least });
      return stats.streams[0]?.in[0]?.packets ?? 0;
    };
    const atJoin = await came(1);
    const late = join("C1");
    await came(atJoin + 60);
    await late.kill();
    assert.equal((await sent)[0], 0);

    const ingest = (await lab.router("router-S1").mappings()).find(({ remote }) => remote.port === 9099);
    assert.ok(ingest !== undefined && ingest.packets > 100, `${ingest?.packets} packets left S1`);
    assert.equal(await came(ingest.packets), ingest.packets);
    const clean = { missing: 0, duplicates: 0, sources: [`${relayHost}:${punchPort}`] };
    for (const [i, client] of clients.entries()) {
      await client.kill();
      const { packets, missing, duplicates, sources } = await client.until("done");
      assert.deepEqual(
        { packets, missing, duplicates, sources },
        { packets: ingest.packets, ...clean },
        JSON.stringify(uplinks[i]),
      );
    }
    const { packets, missing, duplicates, sources } = await late.until("done");
    assert.deepEqual({ missing, duplicates, sources }, clean);
    assert.ok(packets >= 50, `${packets} packets between joining late and leaving early`);
    t.diagnostic(
      `${ingest.packets} packets sent, all of them at each of ${clients.length} clients; ${packets} at the late one`,
    );
  });
});
