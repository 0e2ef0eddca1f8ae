import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCidr } from "../../src/core/cidr.ts";
import { createBench, host, limitsWith, makeStream, refusalOf, rtcpPacket } from "./support.ts";

const text = (content: string): Uint8Array => Buffer.from(content);
const components = (bench: ReturnType<typeof createBench>): number[] =>
  [...bench.core.holes.values()].map(({ component }) => component);

test("a relay that is not open takes no bare punch", () => {
  const bench = createBench();
  assert.equal(refusalOf(bench.punch(host(1), text("0"))), "unknown-source");
  assert.equal(bench.core.holes.count(), 0);
});

test("a digit opens its component, anything else component 0; nothing is answered", () => {
  for (const [content, component] of [
    ["0", 0],
    ["3", 3],
    ["", 0],
    ["00", 0],
    ["hello", 0],
    ["\x00", 0],
  ] as const) {
    const bench = createBench({ open: { from: [] } });
    const { verdict } = bench.punch(host(1), text(content));
    assert.deepEqual(verdict, { kind: "handled", isPunch: true });
    assert.deepEqual(components(bench), [component], JSON.stringify(content));
  }
  const bench = createBench({ open: { from: [] } });
  assert.equal(refusalOf(bench.punch(host(1), text("4"))), "bare-no-such-component");
  assert.equal(bench.core.holes.count(), 0);
});

test("it is the first stream's", () => {
  const bench = createBench({
    open: { from: [] },
    streams: [makeStream({ name: "one" }), makeStream({ name: "two" })],
  });
  bench.punch(host(1), text("0"));
  assert.equal(bench.core.holes.count("one"), 1);
});

test("any datagram renews the hole that its sender has; another digit moves on to that component", () => {
  const bench = createBench({ open: { from: [] } });
  bench.punch(host(1), text("2"));
  bench.punch(host(1), rtcpPacket, 29_000);
  bench.tick(58_000);
  assert.deepEqual(components(bench), [2]);
  bench.punch(host(1), text("1"), 58_000);
  assert.deepEqual(components(bench), [1]);
  bench.tick(88_000);
  assert.deepEqual(components(bench), []);
});

test("sources can be limited, and the holes", () => {
  const cidr = parseCidr("203.0.113.0/28");
  assert.ok(cidr);
  const bench = createBench({ open: { from: [cidr] }, limits: limitsWith({ bareHoles: 1 }) });
  assert.equal(refusalOf(bench.punch(host(16), text("0"))), "bare-source-not-allowed");
  assert.equal(refusalOf(bench.punch(host(1), text("0"))), undefined);
  assert.equal(refusalOf(bench.punch(host(2), text("0"))), "bare-holes");
});

test("a bare datagram never takes the place of a hole opened with the key", () => {
  const bench = createBench({ open: { from: [] } });
  bench.join(host(1), { component: 1 });
  bench.punch(host(1), text("0"), 1);
  assert.deepEqual(components(bench), [1]);
  assert.equal(bench.core.holes.at(host(1))?.by, "key");
  bench.tick(30_000);
  assert.equal(bench.core.holes.count(), 0, "nor renews it: consent needs the key");
});
