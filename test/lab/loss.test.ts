import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { LabNode } from "../../src/lab/lab.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { planeScene } from "../support/nat-harness.ts";
import { shell } from "../support/nat-host.ts";
import { type ReceiverEvent, runPython, runRelay, runWatch, type SourceEvent } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const relayAddress = "10.10.10.197";
/** Packets a second, and for how long they are lost: at 12,000 of them a single one is less than 0.01 %. */
const rate = 1_500;
const lossySeconds = 8;

/** RTP and RTCP, both ways: version 2 in the first two bits behind the UDP header. */
const media = "@th,64,2 2 numgen random mod 100";

async function lose(viewer: LabNode, percent: number): Promise<void> {
  const drop = `${media} < ${percent} counter drop`;
  await shell(
    viewer,
    `nft 'table inet loss {
       chain in { type filter hook input priority 0; ip saddr ${relayAddress} udp sport 9000 ${drop}; }
       chain out { type filter hook output priority 0; ip daddr ${relayAddress} udp dport 9000 ${drop}; }
     }'`,
  );
}

/** Ends it, and says how many packets were dropped on the way in and out. */
async function mend(viewer: LabNode): Promise<number[]> {
  const listed = await shell(viewer, "nft list table inet loss && nft delete table inet loss");
  return [...listed.matchAll(/packets (\d+)/g)].map(([, count]) => Number(count));
}

interface Figures {
  readonly sent: number;
  readonly lost: number;
  readonly played: number;
  readonly late: number;
  /** 0-1: of the packets that went while packets were lost, those that never came; and of all, those sent again. */
  readonly residual: number;
  readonly overhead: number;
  readonly requestsLost: number;
  readonly refused: number;
  readonly duplicates: number;
}

function measure(plane: string, percent: number): Promise<Figures> {
  return withTempFolder((folder) =>
    withLab(planeScene, async (lab) => {
      const [host, home, streamer] = ["relay", "C1", "S1"].map((name) => lab.host(name));
      assert.ok(host && home && streamer);
      await shell(host, "until ip -br link show eth0 | grep -q ' UP '; do sleep 0.02; done");
      const relay = runRelay(host, "--plane", plane, "--state", join(folder, "relay.json"));
      const url = (await relay.until("listening")).streams[0]?.watchUrl ?? "";
      const watching = runWatch(home, url, "--latency", "40");
      const { port } = await watching.until("ready");
      const player = runPython<ReceiverEvent>(home, "rtp-receiver.py", "player", String(port));
      await player.until("ready");
      const aim = [relayAddress, "9099", String(rate), String(lossySeconds + 20)];
      const source = runPython<SourceEvent>(streamer, "rtp-source.py", ...aim);
      await player.until("first");
      await delay(1_500);
      await lose(home, percent);
      await delay(lossySeconds * 1_000);
      const [lost = 0, requestsLost = 0] = await mend(home);
      await delay(300);
      await source.kill();
      const { sent } = await source.until("done");
      await delay(200);
      await player.kill();
      const { packets: played, missing, duplicates } = await player.until("done");
      const { streams } = await relay.until("stats", { where: (stats) => stats.streams[0]?.in[0]?.packets === sent });
      const { resent, refused } = streams[0]?.repair ?? assert.fail();
      await watching.kill();
      await relay.kill();
      const { late } = watching.all("stats").at(-1)?.components[0] ?? assert.fail();
      const [residual, overhead] = [missing / (lossySeconds * rate), resent / sent];
      return { sent, lost, played, late, residual, overhead, requestsLost, refused, duplicates };
    }),
  );
}

const share = (part: number): string => `${(part * 100).toFixed(4)} %`;

for (const plane of ["userspace", "ebpf"]) {
  const options = { ...(await needsLab(...(plane === "ebpf" ? ["root"] : []), "python3", "nft")), timeout: 90_000 };
  for (const { percent, residual, overhead } of [
    { percent: 5, residual: 0.0001, overhead: 0.08 },
    { percent: 20, residual: 0.005, overhead: 0.25 },
  ]) {
    test(`${plane}: ${percent} % of loss on the viewer's leg, made by the kernel, within 40 ms`, options, async (t) => {
      let figures: Figures | undefined;
      // A machine that stands still for 40 ms is late whatever is sent again: it may try three times.
      for (let attempt = 0; attempt < 3 && !(figures && figures.residual < residual); attempt += 1) {
        figures = await measure(plane, percent);
        const { residual: remains, overhead: cost, ...rest } = figures;
        t.diagnostic(`${share(remains)} remain, for ${share(cost)}: ${JSON.stringify(rest)}`);
        assert.ok(rest.lost > (lossySeconds * rate * percent) / 150, "there was something to repair");
        assert.ok(cost <= overhead);
        assert.ok(rest.refused <= 10, "the relay has what it is asked for");
        // Before two packets have followed on each other nothing is known for a duplicate.
        assert.ok(rest.duplicates <= 2);
      }
      assert.ok(figures && figures.residual < residual);
    });
  }
}
