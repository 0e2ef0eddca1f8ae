import assert from "node:assert/strict";
import { test } from "node:test";
import { dependences, homeNat, mappingTimeoutSeconds, type NatBehaviour } from "../../src/lab/nat-behaviour.ts";
import { flushRules, natRuleset } from "../../src/lab/nat-ruleset.ts";
import { checkScene, gatewayOf, type Scene } from "../../src/lab/scene.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";

test("the seed's scene has the seed's addresses", () => {
  const { hosts, routers } = seedScene({ moreViewers: [{}], client: { carrier: {} } });
  assert.deepEqual(
    hosts.map(({ name, address, behind }) => [name, address, behind]),
    [
      ["C1", "192.168.12.4", "router-C1"],
      ["S1", "192.168.11.4", "router-S1"],
      ["C2", "192.168.13.4", "router-C2"],
      ["relay", "10.10.10.197", undefined],
    ],
  );
  assert.deepEqual(
    routers.map(({ name, publicAddress, behind }) => [name, publicAddress, behind]),
    [
      ["carrier-C1", "10.10.10.112", undefined],
      ["router-C1", "100.64.0.2", "carrier-C1"],
      ["router-S1", "10.10.10.175", undefined],
      ["router-C2", "10.10.10.113", undefined],
    ],
  );
});

test("two hundred further viewers fit, one more does not", () => {
  checkScene(seedScene({ moreViewers: Array(200).fill({}) }));
  assert.throws(() => seedScene({ moreViewers: Array(201).fill({}) }), { code: "BAD_OPTION" });
});

test("a scene that cannot be built is refused by name", () => {
  const scene = seedScene();
  const [c1, ...others] = scene.hosts;
  const [router, ...routers] = scene.routers;
  assert.ok(c1 && router);
  const cases: [Partial<Scene>, RegExp][] = [
    [{ hosts: [{ ...c1, name: "a b" }] }, /the name "a b"/],
    [{ hosts: [{ ...c1, name: "public" }] }, /two nodes called "public"/],
    [{ hosts: [{ ...c1, name: "S1" }, ...others] }, /two nodes called "S1"/],
    [{ hosts: [{ ...c1, behind: "nothing" }] }, /C1 behind "nothing"/],
    [{ hosts: [{ ...c1, address: "192.168.13.4" }] }, /C1 at 192.168.13.4.*192.168.12.0\/24/],
    [{ hosts: [{ ...c1, address: "192.168.12.1" }] }, /192.168.12.1 twice/],
    [{ hosts: [c1, { ...c1, name: "C2", address: "192.168.12.5" }] }, /fd00:192:168:12::4 twice/],
    [{ hosts: [{ ...c1, address: "192.168.12.04" }] }, /C1 at 192.168.12.04/],
    [{ routers: [{ ...router, behind: router.name }, ...routers] }, /behind itself/],
    [{ routers: [{ ...router, nat: { ...homeNat, mappingTimeoutMs: 0 } }, ...routers] }, /timeout of 0 ms/],
    [{ routers: [{ ...router, nat: { ...homeNat, lossPercent: { in: 101 } } }, ...routers] }, /loss of 101 %/],
    [
      { routers: [{ ...router, nat: { ...homeNat, ports: "kept" as "random" } }, ...routers] },
      /ports "kept".*preserved/,
    ],
  ];
  for (const [change, message] of cases) {
    assert.throws(() => checkScene({ ...scene, ...change }), { code: "BAD_OPTION", message }, String(message));
  }
});

test("a subnet's first address is its gateway", () => {
  assert.deepEqual(gatewayOf("192.168.12.0/24"), { address: "192.168.12.1", prefixLength: 24 });
  assert.deepEqual(gatewayOf("fd00:10::/64"), { address: "fd00:10::1", prefixLength: 64 });
  assert.throws(() => gatewayOf("inside"), { code: "BAD_OPTION" });
});

test("a ruleset uses no memory that it does not have, and a flush empties each", () => {
  const router = { publicAddress: "10.10.10.112", publicAddress6: "fd00:10::112" };
  for (const mapping of dependences) {
    for (const filtering of dependences) {
      for (const ports of ["preserved", "random"] as const) {
        const nat: NatBehaviour = { mapping, filtering, ports };
        const [used, made] = [/@([a-z]+)\b/gi, /(?:map|set) (\w+) \{ type/g].map((pattern) => {
          return new Set([...natRuleset(router, nat).replace(/@nh/g, "").matchAll(pattern)].map(([, name]) => name));
        });
        assert.deepEqual(used, made, JSON.stringify(nat));
        const flushed = [...flushRules(router, nat, 2).matchAll(/flush (?:map|set) ip6 lab (\w+)/g)].map(
          ([, name]) => name,
        );
        assert.deepEqual(new Set(flushed), made, JSON.stringify(nat));
      }
    }
  }
});

test("mapping timeouts are whole seconds, two minutes unless given", () => {
  assert.equal(mappingTimeoutSeconds(homeNat), 120);
  assert.equal(mappingTimeoutSeconds({ ...homeNat, mappingTimeoutMs: 1500 }), 2);
});
