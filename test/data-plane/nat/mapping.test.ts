import assert from "node:assert/strict";
import { test } from "node:test";
import { countKey, createForwardingState, type OwnedMapping } from "../../../src/data-plane/nat/mapping.ts";
import { createKernelTallies } from "../../../src/data-plane/nat/tallies.ts";
import type { ForwardingChange } from "../../../src/relay/forwarding.ts";

const at = (address: string, port: number) => ({ address, port });
const flow = (publisher: string, component = "live/0", port = 9099): ForwardingChange => ({
  type: "set-flow",
  component,
  flow: { local: at("198.51.100.1", port), publisher: at(publisher, 5000) },
});
const open = (hole: string, viewer: string, component = "live/0"): ForwardingChange => ({
  type: "open-hole",
  hole,
  component,
  target: { local: at("198.51.100.1", 9000), remote: at(viewer, 7000) },
});

function mappingsOf(changes: readonly ForwardingChange[], families: readonly (4 | 6)[] = [4]): readonly OwnedMapping[] {
  const state = createForwardingState();
  for (const change of changes) state.apply(change);
  return state.mappings((address) => address === "198.51.100.1", new Set(families));
}

test("a component with a flow and one hole is a mapping", () => {
  const [mapping, ...others] = mappingsOf([flow("192.0.2.1"), open("a", "203.0.113.1")]);
  assert.deepEqual(others, []);
  assert.deepEqual(mapping, {
    component: "live/0",
    hole: "a",
    publisher: at("192.0.2.1", 5000),
    ingest: at("198.51.100.1", 9099),
    viewer: at("203.0.113.1", 7000),
    punched: at("198.51.100.1", 9000),
  });
});

test("what the kernel cannot carry is left to user space", () => {
  const cases: readonly (readonly ForwardingChange[])[] = [
    [flow("192.0.2.1")],
    [open("a", "203.0.113.1")],
    [flow("192.0.2.1"), open("a", "203.0.113.1"), open("b", "203.0.113.2")],
    [flow("198.51.100.1"), open("a", "203.0.113.1")],
    [flow("192.0.2.1"), open("a", "198.51.100.1")],
    [flow("192.0.2.1"), open("a", "2001:db8::1")],
    [flow("2001:db8::2"), open("a", "2001:db8::1")],
    [flow("192.0.2.1", "live/1"), open("a", "203.0.113.1", "live/1")],
  ];
  for (const changes of cases) assert.deepEqual(mappingsOf(changes), []);
});

test("no two mappings share a publisher's or a viewer's flow, whatever is asked for", () => {
  const sameSource = [flow("192.0.2.1", "live/0", 9000), flow("192.0.2.1", "live/2", 9000)];
  assert.equal(mappingsOf([...sameSource, open("a", "203.0.113.1"), open("b", "203.0.113.2", "live/2")]).length, 1);
});

test("kernel counts become the hole's, the component's and what user space never saw", () => {
  const [mapping] = mappingsOf([flow("192.0.2.1"), open("a", "203.0.113.1")]);
  assert.ok(mapping !== undefined);
  const tallies = createKernelTallies();
  tallies.openHole("a");
  const look = (carried: number, sent: number): void => {
    const count = (packets: number) => ({ packets, bytes: packets * 10 });
    tallies.take(new Map([[countKey(mapping), { carried: count(carried), sent: count(sent) }]]), [mapping]);
  };
  // What has come in but not left yet at the first look is on its way, not dropped.
  look(10, 9);
  look(20, 20);
  assert.deepEqual(tallies.holes.get("a"), { packets: 20, bytes: 200, drops: 0 });
  look(30, 20);
  look(40, 20);
  assert.deepEqual(tallies.holes.get("a"), { packets: 20, bytes: 200, drops: 10 });
  assert.deepEqual(tallies.unseen.get("live/0"), { packets: 40, bytes: 400, drops: 0 });
  tallies.closeHole("a");
  tallies.restart(countKey(mapping));
  look(5, 5);
  assert.equal(tallies.holes.has("a"), false);
  assert.equal(tallies.components.get("live/0")?.packets, 25);
});
