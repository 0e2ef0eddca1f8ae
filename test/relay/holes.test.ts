import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatEndpoint } from "../../src/core/address.ts";
import { noEffects } from "../../src/relay/events.ts";
import { createHoles, type HoleRequest, type Holes } from "../../src/relay/holes.ts";
import { eventNames, host, limitsWith, makeStream, punchPort } from "./support.ts";

const live = makeStream();
const other = makeStream({ name: "other" });

function request(id: string, remote = host(1), more: Partial<HoleRequest> = {}): HoleRequest {
  return { id, stream: live, component: 0, by: "key", local: punchPort, remote, ...more };
}

/** Renews and returns what changed. */
function renewed(holes: Holes, wanted: HoleRequest, now = 0): string[] {
  const effects = noEffects();
  const refused = holes.renew(wanted, now, effects);
  return refused === undefined ? effects.changes.map(({ type }) => type) : [refused];
}

test("a hole opens once, is renewed quietly, and expires 30 s after the last renewal", () => {
  const holes = createHoles(limitsWith({}));
  const effects = noEffects();
  holes.renew(request("a"), 0, effects);
  assert.deepEqual(effects.changes, [
    { type: "open-hole", hole: "a", component: "live/0", target: { local: punchPort, remote: host(1) } },
  ]);
  assert.deepEqual(effects.events, [
    {
      event: "hole-opened",
      hole: "a",
      stream: "live",
      component: 0,
      by: "key",
      mapped: "203.0.113.1:5000",
      relay: "198.51.100.1:9000",
    },
  ]);
  assert.deepEqual(renewed(holes, request("a"), 20_000), []);
  const early = noEffects();
  holes.tick(49_999, early);
  assert.deepEqual(early.changes, []);
  const late = noEffects();
  holes.tick(50_000, late);
  assert.deepEqual(late.changes, [{ type: "close-hole", hole: "a" }]);
  assert.deepEqual(eventNames(late), ["expired"]);
  assert.equal(holes.count(), 0);
});

test("a hole moves with its viewer, and to another of the relay's addresses", () => {
  const holes = createHoles(limitsWith({}));
  renewed(holes, request("a"));
  const moved = noEffects();
  holes.renew(request("a", host(1, 6000)), 1, moved);
  assert.deepEqual(moved.changes, [
    { type: "move-hole", hole: "a", target: { local: punchPort, remote: host(1, 6000) } },
  ]);
  assert.deepEqual(moved.events, [
    {
      event: "hole-moved",
      hole: "a",
      stream: "live",
      component: 0,
      mapped: "203.0.113.1:6000",
      previous: "203.0.113.1:5000",
    },
  ]);
  assert.equal(holes.at(host(1)), undefined);
  assert.equal(holes.at(host(1, 6000))?.id, "a");
  const local = { address: "198.51.100.2", port: 9000 };
  assert.deepEqual(renewed(holes, request("a", host(1, 6000), { local })), ["move-hole"]);
  assert.equal(holes.count(), 1);
});

test("a mapped address belongs to the hole that proved it last", () => {
  const holes = createHoles(limitsWith({}));
  renewed(holes, request("a"));
  const effects = noEffects();
  holes.renew(request("b"), 0, effects);
  assert.deepEqual(
    effects.changes.map(({ type }) => type),
    ["close-hole", "open-hole"],
  );
  assert.deepEqual(eventNames(effects), ["replaced", "hole-opened"]);
  assert.equal(holes.at(host(1))?.id, "b");
  assert.equal(holes.count(), 1);
});

test("limits: per address, per stream, in total, bare", () => {
  const perAddress = createHoles(limitsWith({ holesPerAddress: 1 }));
  renewed(perAddress, request("a"));
  assert.deepEqual(renewed(perAddress, request("b", host(1, 6000))), ["holes-per-address"]);
  assert.deepEqual(renewed(perAddress, request("b", host(2))), ["open-hole"]);
  assert.deepEqual(renewed(perAddress, request("b", host(1, 6000))), ["holes-per-address"], "moving there counts too");
  assert.deepEqual(
    renewed(perAddress, request("a", host(1, 7000))),
    ["move-hole"],
    "moving within the address does not",
  );

  const perStream = createHoles(limitsWith({ holesPerStream: 1 }));
  renewed(perStream, request("a"));
  assert.deepEqual(renewed(perStream, request("b", host(2))), ["holes-per-stream"]);
  assert.deepEqual(renewed(perStream, request("b", host(2), { stream: other })), ["open-hole"]);

  const total = createHoles(limitsWith({ holesTotal: 1 }));
  renewed(total, request("a"));
  assert.deepEqual(renewed(total, request("b", host(2), { stream: other })), ["holes-total"]);

  const bare = createHoles(limitsWith({ bareHoles: 1 }));
  renewed(bare, request("a", host(1), { by: "bare" }));
  assert.deepEqual(renewed(bare, request("b", host(2), { by: "bare" })), ["bare-holes"]);
  assert.deepEqual(renewed(bare, request("b", host(2))), ["open-hole"]);
});

test("at a limit, a viewer that starts again on its old address takes its own place", () => {
  for (const full of [{ holesPerAddress: 1 }, { holesPerStream: 1 }, { holesTotal: 1 }]) {
    const holes = createHoles(limitsWith(full));
    renewed(holes, request("a"));
    assert.deepEqual(renewed(holes, request("b")), ["close-hole", "open-hole"], JSON.stringify(full));
  }
});

test("a refused hole leaves everything as it was", () => {
  const holes = createHoles(limitsWith({ holesPerAddress: 2 }));
  renewed(holes, request("a", host(1, 1)));
  renewed(holes, request("b", host(1, 2)));
  renewed(holes, request("c", host(2, 3)));
  assert.deepEqual(renewed(holes, request("c", host(1, 4))), ["holes-per-address"]);
  assert.deepEqual(holes.at(host(2, 3))?.id, "c");
  assert.equal(holes.count(), 3);
});

/** What a hole's id says in the property test, so that a request for it is always the same hole's. */
const ids = ["a", "b", "c", "d", "e"];
const step = fc.oneof(
  fc.record({
    do: fc.constant("renew" as const),
    id: fc.constantFrom(...ids),
    last: fc.integer({ min: 1, max: 2 }),
    port: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ do: fc.constant("close" as const), id: fc.constantFrom(...ids) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(20_000) }),
);

test("the counters and indexes never drift from a simple model", () => {
  const limits = limitsWith({ holesPerAddress: 2, holesPerStream: 3, holesTotal: 4, bareHoles: 1 });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const holes = createHoles(limits);
      const model = new Map<
        string,
        { remote: string; address: string; stream: string; bare: boolean; until: number }
      >();
      let now = 0;
      for (const action of steps) {
        if (action.do === "close") {
          holes.close(action.id, "left", noEffects());
          model.delete(action.id);
        } else if (action.do === "wait") {
          now += action.ms;
          holes.tick(now, noEffects());
          for (const [id, { until }] of model) if (until <= now) model.delete(id);
        } else {
          const stream = "ab".includes(action.id) ? live : other;
          const by = "ac".includes(action.id) ? "bare" : "key";
          const remote = host(action.last, action.port);
          const after = new Map(model);
          for (const [id, hole] of after)
            if (id !== action.id && hole.remote === formatEndpoint(remote)) after.delete(id);
          const wanted = { address: remote.address, stream: stream.name, bare: by === "bare", until: now + 30_000 };
          after.set(action.id, { remote: formatEndpoint(remote), ...wanted });
          const all = [...after.values()];
          const fits =
            all.filter(({ address }) => address === remote.address).length <= limits.holesPerAddress &&
            all.filter((hole) => hole.stream === stream.name).length <= limits.holesPerStream &&
            all.length <= limits.holesTotal &&
            all.filter(({ bare }) => bare).length <= limits.bareHoles;
          const refused = holes.renew(request(action.id, remote, { stream, by }), now, noEffects());
          assert.equal(refused === undefined, fits, `${refused}`);
          if (fits) {
            model.clear();
            for (const [id, hole] of after) model.set(id, hole);
          }
        }
        assert.deepEqual(
          new Map([...holes.values()].map(({ id, remote }) => [id, formatEndpoint(remote)])),
          new Map([...model].map(([id, { remote }]) => [id, remote])),
        );
        for (const hole of holes.values()) assert.equal(holes.at(hole.remote), hole);
        assert.equal(holes.count(), model.size);
        const lives = [...model.values()].filter(({ stream }) => stream === "live").length;
        assert.equal(holes.count("live"), lives);
        assert.equal(holes.count("other"), model.size - lives);
      }
    }),
    { numRuns: 500 },
  );
});
