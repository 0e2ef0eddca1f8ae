import assert from "node:assert/strict";
import { test } from "node:test";
import { formatEndpoint } from "../../src/core/address.ts";
import { createUserspacePlane } from "../../src/data-plane/userspace/userspace-plane.ts";
import { dataPlaneContract, type PlaneHarness } from "./contract.ts";

const local = { address: "198.51.100.1", port: 9000 };
const flow = { local: { ...local, port: 9099 }, publisher: { address: "203.0.113.9", port: 9099 } };

/** A userspace plane whose sender puts the bytes straight into the receivers' hands. */
function createHarness(): Promise<PlaneHarness> {
  const inboxes = new Map<string, Uint8Array[]>();
  const plane = createUserspacePlane((from, remote, bytes) => {
    inboxes.get(`${formatEndpoint(from)} ${formatEndpoint(remote)}`)?.push(Uint8Array.from(bytes));
    return true;
  });
  return Promise.resolve({
    plane,
    holesPerFlow: Number.POSITIVE_INFINITY,
    enforcesFlows: false,
    flow: () => flow,
    addReceiver() {
      const remote = { address: "203.0.113.1", port: 1024 + inboxes.size };
      const inbox: Uint8Array[] = [];
      inboxes.set(`${formatEndpoint(local)} ${formatEndpoint(remote)}`, inbox);
      return Promise.resolve({ target: { local, remote }, received: () => inbox });
    },
    publish(component, packets) {
      for (const bytes of packets) plane.deliver(component, bytes, flow);
      return Promise.resolve();
    },
    settle: () => Promise.resolve(),
    close: () => plane.close(),
  });
}

dataPlaneContract("userspace", createHarness);

test("userspace: what the sender drops is counted as dropped, hole by hole", async () => {
  const plane = createUserspacePlane((_local, remote) => remote.port !== 2);
  const open = (hole: string, port: number) =>
    ({
      type: "open-hole",
      hole,
      component: "live/0",
      target: { local, remote: { address: "203.0.113.1", port } },
    }) as const;
  await plane.apply([open("a", 1), open("b", 2)]);
  for (let i = 0; i < 3; i += 1) plane.deliver("live/0", new Uint8Array(10), flow);
  const { holes, components } = await plane.readCounters();
  assert.deepEqual(holes.get("a"), { packets: 3, bytes: 30, drops: 0 });
  assert.deepEqual(holes.get("b"), { packets: 0, bytes: 0, drops: 3 });
  assert.deepEqual(components.get("live/0"), { packets: 3, bytes: 30, drops: 3 });
});

test("userspace: every viewer gets the same bytes, not a copy", async () => {
  const seen = new Set<Uint8Array>();
  const plane = createUserspacePlane((_local, _remote, bytes) => seen.add(bytes) !== undefined);
  for (const port of [1, 2, 3]) {
    const target = { local, remote: { address: "203.0.113.1", port } };
    await plane.apply([{ type: "open-hole", hole: String(port), component: "live/0", target }]);
  }
  plane.deliver("live/0", new Uint8Array(10), flow);
  assert.equal(seen.size, 1);
});
