import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { needsLab } from "../support/lab.ts";
import { type PlaneLab, planeLab, planeScene } from "../support/nat-harness.ts";
import { dataPlaneContract } from "./contract.ts";

let lab: Lab | undefined;
let parts: PlaneLab | undefined;

/** One lab for all: a plane that leaves something behind spoils the next one's test. */
async function lazyLab(): Promise<PlaneLab> {
  lab ??= await createLab(planeScene);
  parts ??= planeLab(lab);
  return parts;
}

after(() => lab?.close());
for (const way of ["ebpf", "ebpf (clsact)", "ebpf (tapped)"] as const) {
  const options = { ...(await needsLab("root", "python3", "tc")), timeout: 30_000 };
  dataPlaneContract(way, async () => (await lazyLab()).harness(way), options);
}

test("each packet is shown once, through the ring or the socket, while viewers of both kinds come and go", {
  ...(await needsLab("root", "python3", "tc")),
  timeout: 60_000,
}, async () => {
  const { publisher, viewers, harness: start } = await lazyLab();
  const harness = await start("ebpf (tapped)");
  try {
    const [component, rate, seconds] = ["live/0", 500, 3];
    const viewer = await harness.addReceiver();
    const { local, publisher: from } = harness.flow(component);
    const { driver } = harness.plane as ReturnType<PlaneLab["plane"]>;
    await harness.plane.apply([
      { type: "set-flow", component, flow: harness.flow(component) },
      { type: "open-hole", hole: "kernel's", component, target: viewer.target },
    ]);
    const before = await driver.call<number>("handedUp");
    await publisher.call("stream", from.port, local.address, local.port, rate, seconds);
    // The relay's own host: only user space can send there.
    const here = { local: viewer.target.local, remote: { address: local.address, port: 9 } };
    for (let turn = 0; turn < 20; turn += 1) {
      await harness.plane.apply([{ type: "open-hole", hole: "user's", component, target: here }]);
      await delay(60);
      await harness.plane.apply([{ type: "close-hole", hole: "user's" }]);
      await delay(60);
    }
    await delay(800);
    await harness.settle();
    const sent = await publisher.call<number>("sent", from.port);
    assert.equal(sent, rate * seconds);
    const packets = await viewers.call<string[]>("received", viewer.target.remote.port);
    assert.equal(packets.length, sent, "the viewer gets each once");
    const shown = await driver.call<[component: string, hex: string][]>("shown");
    const up = (await driver.call<number>("handedUp")) - before;
    assert.ok(shown.length > 300 && up > 300, `${shown.length} through the ring, ${up} through the socket`);
    assert.equal(shown.length + up, sent);
    const indices = shown.map(([, hex]) => packets.indexOf(hex));
    assert.deepEqual(
      indices,
      indices.toSorted((a, b) => a - b),
      "in order",
    );
    assert.ok(!indices.includes(-1));
    const { unseen } = await harness.plane.readCounters();
    assert.equal(unseen.get(component)?.packets, shown.length);
  } finally {
    await harness.close();
  }
});

test("a newcomer is sent each packet that was not told before it came, and no other, whoever else comes and goes", {
  ...(await needsLab("root", "python3", "tc")),
  timeout: 60_000,
}, async () => {
  const { publisher, viewers, harness: start } = await lazyLab();
  const harness = await start("ebpf (tapped)");
  try {
    const [component, rate, seconds, count] = ["live/0", 4_000, 3, 60];
    const { driver } = harness.plane as ReturnType<PlaneLab["plane"]>;
    const flow = harness.flow(component);
    const newcomers = await Promise.all(Array.from({ length: count }, () => harness.addReceiver()));
    await harness.plane.apply([{ type: "set-flow", component, flow }]);
    await publisher.call("stream", flow.publisher.port, flow.local.address, flow.local.port, rate, seconds);
    const here = { local: flow.local, remote: { address: flow.local.address, port: 9 } };
    for (const [i, { target }] of newcomers.entries()) {
      // With a viewer on the relay's own host originals come up, without one they end in the ring.
      if (i % 20 === 9) await harness.plane.apply([{ type: "open-hole", hole: "user's", component, target: here }]);
      if (i % 20 === 19) await harness.plane.apply([{ type: "close-hole", hole: "user's" }]);
      await harness.plane.apply([{ type: "open-hole", hole: `newcomer-${i}`, component, target }]);
      await delay(30);
    }
    await delay(1_500);
    await harness.settle();
    const { told, toldBefore } = await driver.call<{ told: string[]; toldBefore: [string, number][] }>("told");
    assert.equal(told.length, rate * seconds);
    const marks = new Map(toldBefore);
    for (const [i, { target }] of newcomers.entries()) {
      const got = await viewers.call<string[]>("received", target.remote.port);
      const before = marks.get(`newcomer-${i}`) ?? -1;
      const [due, had] = [new Set(told.slice(before)), new Set(got)];
      const lacking = (of: Set<string>, from: Set<string>): number => [...from].filter((hex) => !of.has(hex)).length;
      const figures = { twice: got.length - had.size, missing: lacking(had, due), early: lacking(due, had) };
      assert.deepEqual(figures, { twice: 0, missing: 0, early: 0 }, `newcomer ${i}, ${before} told before`);
    }
  } finally {
    await harness.close();
  }
});
