import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Lab, LabNode } from "../../src/lab/lab.ts";
import { dependences, homeNat, type NatBehaviour } from "../../src/lab/nat-behaviour.ts";
import type { Scene } from "../../src/lab/scene.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { needsLab, withLab } from "../support/lab.ts";

const probe = fileURLToPath(new URL("../support/nat-probe.py", import.meta.url));
const options = { ...(await needsLab("python3")), timeout: 60_000 };
const servers = { 4: ["10.10.10.197", "10.10.10.198"], 6: ["fd00:10::197", "fd00:10::198"] } as const;

test("every combination of mapping, filtering and ports measures as asked for, IPv4 and IPv6", options, async () => {
  const combinations = dependences.flatMap((mapping) =>
    dependences.flatMap((filtering) =>
      (["preserved", "random"] as const).map((ports): NatBehaviour => ({ mapping, filtering, ports })),
    ),
  );
  await withLab(withSecondAddress(seedScene({ moreViewers: combinations })), async (lab) => {
    await startServers(lab);
    const measured = combinations.map(async (nat, i) => {
      const host = lab.host(`C${i + 2}`);
      for (const family of [4, 6] as const) {
        const { mapped, answered, ...rest } = await ask(host, "measure", ...servers[family]);
        const { mapping, filtering } = nat;
        const text = `${JSON.stringify(nat)} IPv${family}`;
        assert.deepEqual(rest, { mapping, filtering, preserved: nat.ports === "preserved" }, text);
        assert.ok(answered, text);
        assert.equal(
          mapped[0],
          lab.router(`router-C${i + 2}`)[family === 4 ? "publicAddress" : "publicAddress6"],
          text,
        );
      }
    });
    await Promise.all(measured);
  });
});

test("a mapping lives while it is used and ends when its time is over", options, async () => {
  const behaviours: NatBehaviour[] = [
    { ...homeNat, mappingTimeoutMs: 2000 },
    { mapping: "endpoint-independent", filtering: "endpoint-independent", ports: "random", mappingTimeoutMs: 2000 },
    { mapping: "address-and-port-dependent", filtering: "address-dependent", ports: "random", mappingTimeoutMs: 2000 },
    { ...homeNat, ports: "random" },
  ];
  await withLab(withSecondAddress(seedScene({ moreViewers: behaviours })), async (lab) => {
    await startServers(lab);
    const ages = behaviours.map((_, i) => ask(lab.host(`C${i + 2}`), "age", servers[4][0]));
    const [kept, lost, lostToo, lasting] = await Promise.all(ages);
    assert.deepEqual(kept, { young: true, old: false, kept: true });
    assert.deepEqual(lost, { young: true, old: false, kept: false });
    assert.deepEqual(lostToo, { young: true, old: false, kept: false });
    assert.deepEqual(lasting, { young: true, old: true, kept: true });
  });
});

test("two hosts with one port behind one router get two mappings", options, async () => {
  const nat: NatBehaviour = { ...homeNat, filtering: "endpoint-independent" };
  const scene = withSecondAddress(seedScene({ client: nat }));
  const neighbour = { name: "D1", address: "192.168.12.5", behind: "router-C1" };
  await withLab({ ...scene, hosts: [...scene.hosts, neighbour] }, async (lab) => {
    await startServers(lab);
    const [first] = await ask(lab.host("C1"), "map", "5000", servers[4][0]);
    assert.deepEqual(first, ["10.10.10.112", 5000]);
    const [one, other] = await ask(lab.host("D1"), "map", "5000", servers[4][1], servers[4][0]);
    assert.notEqual(one[1], 5000);
    assert.deepEqual(one, other);
    const shown = (await lab.router("router-C1").mappings()).map(({ internal, mapped }) => [
      internal.address,
      mapped.port,
    ]);
    assert.deepEqual(shown.sort(), [
      ["192.168.12.4", 5000],
      ["192.168.12.5", one[1]],
      ["192.168.12.5", one[1]],
    ]);
  });
});

test("behind a carrier's NAT both routers translate, and both tables show it", options, async () => {
  const scene = withSecondAddress(
    seedScene({ client: { carrier: { mapping: "address-and-port-dependent", ports: "random" } } }),
  );
  await withLab(scene, async (lab) => {
    await startServers(lab);
    for (const family of [4, 6] as const) {
      const { mapping, preserved, mapped } = await ask(lab.host("C1"), "measure", ...servers[family]);
      assert.deepEqual([mapping, preserved], ["address-and-port-dependent", false]);
      assert.equal(mapped[0], family === 4 ? "10.10.10.112" : "fd00:10::112");
    }
    const [home] = await lab.router("router-C1").mappings();
    const carrier = await lab.router("carrier-C1").mappings();
    assert.equal(home?.mapped.address, "100.64.0.2");
    assert.ok(carrier.some(({ internal }) => internal.port === home?.mapped.port));
  });
});

test("a flushed router forgets: no answer gets in, and a new port is drawn if ports are random", options, async () => {
  const open: NatBehaviour = { mapping: "endpoint-independent", filtering: "endpoint-independent", ports: "random" };
  await withLab(withSecondAddress(seedScene({ client: open, moreViewers: [{}] })), async (lab) => {
    await startServers(lab);
    for (const [name, keepsPort] of [
      ["C1", false],
      ["C2", true],
    ] as const) {
      const router = lab.router(`router-${name}`);
      const [before] = await ask(lab.host(name), "map", "5000", servers[4][0]);
      const waiter = lab.host(name).spawn("python3", [probe, "wait", "5000", servers[4][0]]);
      const said = lastLine(waiter);
      await ready(waiter);
      await router.flush();
      assert.deepEqual(await router.mappings(), []);
      assert.deepEqual(JSON.parse(await said), { answered: false });
      const [after] = await ask(lab.host(name), "map", "5000", servers[4][0]);
      assert.equal(before[1] === after[1], keepsPort);
    }
  });
});

test("a flow that a stranger began is shown like any other", options, async () => {
  const open: NatBehaviour = { ...homeNat, filtering: "endpoint-independent" };
  await withLab(withSecondAddress(seedScene({ client: open, moreViewers: [{}] })), async (lab) => {
    await startServers(lab);
    const shown: Record<string, number[]> = {};
    for (const name of ["C1", "C2"]) {
      const [mapped] = await ask(lab.host(name), "map", "5000", servers[4][0]);
      await ask(lab.host("relay"), "flood", mapped[0], String(mapped[1]), "20");
      const mappings = await lab.router(`router-${name}`).mappings();
      assert.ok(mappings.every(({ internal, mapped: { port } }) => internal.port === 5000 && port === 5000));
      shown[name] = mappings.map(({ packets }) => packets).sort((a, b) => a - b);
    }
    assert.deepEqual(shown, { C1: [2, 20], C2: [2] });
  });
});

test("loss takes its share in each direction and is counted", options, async () => {
  await withLab(seedScene({ ipv6: false, streamer: { lossPercent: { out: 30 } } }), async (lab) => {
    const router = lab.router("router-S1");
    const send = async (): Promise<number> => {
      const receiver = lab.host("relay").spawn("python3", [probe, "count", "9099", "0.3"]);
      const counted = lastLine(receiver);
      await ready(receiver);
      await ask(lab.host("S1"), "flood", "10.10.10.197", "9099", "2000");
      return JSON.parse(await counted).received;
    };
    // 2,000 × 0.7 with a standard deviation of 20: six of them either way.
    const received = await send();
    assert.ok(received > 1280 && received < 1520, `${received} of 2000`);
    const { out } = await router.counters();
    assert.deepEqual([out.packetsForwarded, out.packetsLost], [received, 2000 - received]);
    await router.setLoss(0, "out");
    assert.equal(await send(), 2000);
    await router.setLoss(100, "out");
    assert.equal((await router.counters()).out.packetsForwarded, received + 2000, "counters go on");
    assert.equal(await send(), 0);
  });
});

/** The public host answers on two addresses, so that a router can tell them apart. */
function withSecondAddress(scene: Scene): Scene {
  const moreAddresses = [servers[4][1], servers[6][1]];
  return { ...scene, hosts: scene.hosts.map((host) => (host.name === "relay" ? { ...host, moreAddresses } : host)) };
}

async function startServers(lab: Lab): Promise<void> {
  for (const addresses of Object.values(servers)) {
    await ready(lab.host("relay").spawn("python3", [probe, "server", ...addresses]));
  }
}

async function ready(child: ChildProcess): Promise<void> {
  assert.ok(child.stdout);
  const [chunk] = await once(child.stdout, "data", { signal: AbortSignal.timeout(5000) });
  assert.match(String(chunk), /^ready/);
}

async function lastLine(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  await once(child, "close");
  return text.trim().split("\n").at(-1) ?? "";
}

/** Runs the probe; its line of JSON differs by mode and is checked by whoever asks. */
async function ask(node: LabNode, ...args: readonly string[]): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse((await node.run("python3", [probe, ...args])).stdout);
}
