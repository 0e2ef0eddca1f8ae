import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCidr } from "../../src/core/cidr.ts";
import { type Effects, noEffects } from "../../src/relay/events.ts";
import { createPublishers } from "../../src/relay/publishers.ts";
import { eventNames, host, ingestPort, makeStream, punchPort } from "./support.ts";

const stream = makeStream();

/** Publishers, with what changed since one last looked. */
function setUp() {
  const publishers = createPublishers();
  let effects: Effects = noEffects();
  return {
    publishers,
    ingest: (from: ReturnType<typeof host>, now: number, component = 0, into = stream) =>
      publishers.admitIngest({ stream: into, component }, ingestPort, from, now, effects),
    key: (session: string, from: ReturnType<typeof host>, now: number, component = 0) =>
      publishers.admitKey({ stream, component }, session, punchPort, from, now, effects),
    media: (from: ReturnType<typeof host>, now: number) => publishers.admitPunchPort(from, now, effects),
    leave: (session: string, component: number) => publishers.leave({ stream, component }, session, effects),
    tick: (now: number) => publishers.tick(now, effects),
    seen() {
      const all = [...effects.changes.map(({ type }) => type), ...eventNames(effects)];
      effects = noEffects();
      return all;
    },
  };
}

test("only the allowed sources may feed a stream that names them", () => {
  const cidr = parseCidr("203.0.113.8/30");
  assert.ok(cidr);
  const limited = makeStream({ from: [cidr] });
  const { ingest, seen } = setUp();
  assert.equal(ingest(host(7), 0, 0, limited), "source-not-allowed");
  assert.deepEqual(seen(), []);
  assert.equal(ingest(host(9), 0, 0, limited), undefined);
  assert.deepEqual(seen(), ["set-flow", "publisher-live"]);
});

test("the first source has the stream until it is silent for 10 s", () => {
  const { publishers, ingest, tick, seen } = setUp();
  assert.equal(ingest(host(1), 0), undefined);
  seen();
  assert.equal(ingest(host(2), 9_999), "publisher-busy");
  assert.ok(publishers.isLive("live"));
  tick(9_999);
  assert.deepEqual(seen(), []);
  tick(10_000);
  assert.deepEqual(seen(), ["clear-flow", "publisher-idle"]);
  assert.ok(!publishers.isLive("live"));
  assert.equal(ingest(host(2), 10_001), undefined);
  assert.deepEqual(seen(), ["set-flow", "publisher-live"]);
});

test("a source that is idle makes way even before the tick that says so", () => {
  const { ingest, seen } = setUp();
  ingest(host(1), 0);
  seen();
  assert.equal(ingest(host(2), 10_000), undefined);
  assert.deepEqual(seen(), ["clear-flow", "set-flow", "publisher-idle", "publisher-live"]);
});

test("the same source's new port takes over after a second of silence", () => {
  const { publishers, ingest, seen } = setUp();
  ingest(host(1, 5000), 0);
  seen();
  assert.equal(ingest(host(1, 6000), 999), "publisher-busy");
  assert.equal(ingest(host(1, 6000), 1_000), undefined);
  assert.deepEqual(seen(), ["set-flow", "publisher-moved"]);
  assert.deepEqual(publishers.flowOf("live", 0)?.publisher, host(1, 6000));
  assert.equal(ingest(host(1, 5000), 1_001), "publisher-busy");
});

test("components of one source may come from different ports", () => {
  const { publishers, ingest } = setUp();
  assert.equal(ingest(host(1, 5000), 0, 0), undefined);
  assert.equal(ingest(host(1, 5001), 0, 1), undefined);
  assert.deepEqual(publishers.flowOf("live", 1)?.publisher, host(1, 5001));
});

test("the key outranks an address, and an address never ousts the key's consent", () => {
  const { ingest, key, media, seen } = setUp();
  ingest(host(1), 0);
  seen();
  assert.equal(key("s", host(2), 1), undefined);
  assert.deepEqual(seen(), ["clear-flow", "set-flow", "publisher-idle"]);
  assert.equal(ingest(host(1), 2), "publisher-busy");
  assert.deepEqual(media(host(2), 3), { stream, component: 0 });
  assert.deepEqual(seen(), ["publisher-live"]);
  assert.equal(ingest(host(1), 20_000), "publisher-busy", "silent, but consented until 30,001");
  assert.equal(ingest(host(1), 30_001), undefined);
});

test("key against key: the one that sends keeps the stream, a silent one makes way after a second", () => {
  const { key, media } = setUp();
  key("one", host(1), 0);
  media(host(1), 100);
  assert.equal(key("two", host(2), 1_099), "publisher-busy");
  assert.equal(key("two", host(2), 1_100), undefined);
  assert.equal(media(host(1), 1_101), undefined, "the ousted publisher's packets are nobody's");
});

test("consent to publish ends 30 s after the last proof", () => {
  const { publishers, key, media, tick, seen } = setUp();
  key("s", host(1), 0);
  key("s", host(1), 10_000);
  assert.ok(media(host(1), 39_999));
  seen();
  assert.equal(media(host(1), 40_000), undefined);
  tick(40_000);
  assert.deepEqual(seen(), ["clear-flow", "publisher-idle"], "and its flow goes at once, for a kernel plane's sake");
  assert.equal(publishers.flowOf("live", 0), undefined);
});

test("a component whose consent ended goes alone", () => {
  const { publishers, key, tick, seen } = setUp();
  key("s", host(1, 1), 0, 0);
  key("s", host(1, 2), 5_000, 1);
  seen();
  tick(30_000);
  assert.deepEqual(seen(), ["clear-flow"]);
  assert.equal(publishers.flowOf("live", 0), undefined);
  assert.ok(publishers.flowOf("live", 1));
});

test("a publisher that pauses keeps its place by its consent", () => {
  const { publishers, key, media, tick, seen } = setUp();
  key("s", host(1), 0);
  media(host(1), 0);
  seen();
  tick(10_000);
  assert.deepEqual(seen(), ["publisher-idle"]);
  assert.ok(!publishers.isLive("live"));
  media(host(1), 11_000);
  assert.deepEqual(seen(), ["publisher-live"]);
});

test("a publisher with the key moves with its session", () => {
  const { publishers, key, media, seen } = setUp();
  key("s", host(1), 0);
  media(host(1), 0);
  seen();
  key("s", host(1, 6000), 1);
  assert.deepEqual(seen(), ["set-flow", "publisher-moved"]);
  assert.equal(media(host(1), 2), undefined);
  assert.ok(media(host(1, 6000), 2));
  assert.deepEqual(publishers.flowOf("live", 0)?.publisher, host(1, 6000));
});

test("leaving frees one component after the other; leaving twice changes nothing", () => {
  const { publishers, key, media, leave, seen } = setUp();
  key("s", host(1, 1), 0, 0);
  key("s", host(1, 2), 0, 1);
  media(host(1, 1), 0);
  seen();
  leave("other", 0);
  assert.deepEqual(seen(), []);
  leave("s", 1);
  assert.deepEqual(seen(), ["clear-flow"]);
  leave("s", 1);
  assert.deepEqual(seen(), [], "a repeated goodbye must not take component 0 along");
  assert.ok(publishers.flowOf("live", 0));
  leave("s", 0);
  assert.deepEqual(seen(), ["clear-flow", "publisher-idle"]);
  assert.equal(publishers.flowOf("live", 0), undefined);
});
