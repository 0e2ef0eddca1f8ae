import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { ForwardingChange } from "../../src/relay/forwarding.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { planeLab, planeScene } from "../support/nat-harness.ts";

const options = { ...(await needsLab("root", "python3")), timeout: 60_000 };
const [rate, seconds, perTurn] = [400, 6, 25] as const;

test(
  "a thousand joins, leaves and moves a second disturb nobody, and who has left gets nothing",
  options,
  async (t) => {
    await withLab(planeScene, async (lab) => {
      const parts = planeLab(lab);
      const harness = await parts.harness("ebpf");
      try {
        const component = "live/0";
        const [steady, others] = [30, 60].map((count) => Array.from({ length: count }, () => harness.addReceiver()));
        const staying = await Promise.all(steady ?? []);
        const coming = await Promise.all(others ?? []);
        const flow = harness.flow(component);
        const open = (hole: string, target: (typeof staying)[number]["target"]): ForwardingChange => {
          return { type: "open-hole", hole, component, target };
        };
        await harness.plane.apply([
          { type: "set-flow", component, flow },
          ...staying.map(({ target }, i) => open(`staying-${i}`, target)),
        ]);
        const { port } = flow.publisher;
        await parts.publisher.call("stream", port, flow.local.address, flow.local.port, rate, seconds + 1);
        const startedAt = performance.now();
        let changes = 0;
        for (let turn = 0; performance.now() - startedAt < seconds * 1_000; turn += 1) {
          const batch = Array.from({ length: perTurn }, (_, i): ForwardingChange => {
            const which = (turn * perTurn + i) % (coming.length / 2);
            const hole = `coming-${which}`;
            const [here, there] = [coming[which * 2], coming[which * 2 + 1]];
            assert.ok(here !== undefined && there !== undefined);
            const step = Math.floor((turn * perTurn + i) / (coming.length / 2)) % 3;
            if (step === 0) return open(hole, here.target);
            return step === 1 ? { type: "move-hole", hole, target: there.target } : { type: "close-hole", hole };
          });
          await harness.plane.apply(batch);
          changes += batch.length;
          await delay(Math.max(0, startedAt + ((turn + 1) * perTurn * 1_000) / 1_100 - performance.now()));
        }
        await harness.plane.apply(coming.map((_, i) => ({ type: "close-hole", hole: `coming-${i}` }) as const));
        const perSecond = changes / ((performance.now() - startedAt) / 1_000);
        await delay(50);
        const countOf = (port: number): Promise<number> =>
          parts.viewers.call<string[]>("received", port).then((all) => all.length);
        const atEnd = await Promise.all(coming.map(({ target }) => countOf(target.remote.port)));
        await delay(1_200);
        await harness.settle();
        const sent = await parts.publisher.call<number>("sent", port);
        assert.equal(sent, rate * (seconds + 1));
        for (const { target } of staying) {
          const all = await parts.viewers.call<string[]>("received", target.remote.port);
          assert.deepEqual(
            all.map((packet) => Number.parseInt(packet.slice(4, 8), 16)),
            Array.from({ length: sent }, (_, i) => i),
          );
        }
        assert.deepEqual(await Promise.all(coming.map(({ target }) => countOf(target.remote.port))), atEnd);
        assert.ok(
          atEnd.every((count) => count > 0),
          "they were served while they were there",
        );
        t.diagnostic(`${Math.round(perSecond)} changes a second, ${sent} packets to each of ${staying.length}`);
        assert.ok(perSecond > 900, `${perSecond}`);
      } finally {
        await harness.close();
      }
    });
  },
);
