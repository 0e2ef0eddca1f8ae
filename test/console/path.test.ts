import assert from "node:assert/strict";
import { test } from "node:test";
import type { Recent } from "../../src/console/model/history.ts";
import { describePath, diagnose, healthAt, type Place } from "../../src/console/model/path.ts";
import { figures, stream } from "./support.ts";

const well: Recent = { isMeasured: true, inBits: 2e6, outBits: 2e6, lossIn: 0, lossOut: 0, drops: 0, oversized: 0 };

function found(now: Partial<Recent>, more: Parameters<typeof stream>[0] = {}): string[] {
  return diagnose(stream(more), { ...well, ...now }).map(({ place, health }) => `${place} ${health}`);
}

test("nothing is found where everything arrives, or where nobody can know", () => {
  assert.deepEqual(found({}), []);
  assert.deepEqual(found({ lossIn: undefined, lossOut: undefined }), []);
  assert.deepEqual(found({ lossIn: 0.0005, lossOut: 0.0005 }), []);
});

test("what is wrong is found where it is wrong", () => {
  assert.deepEqual(found({ lossIn: 0.005 }), ["publisher-leg warn"]);
  assert.deepEqual(found({ lossIn: 0.05 }), ["publisher-leg bad"]);
  assert.deepEqual(found({ drops: 1 }), ["relay bad"]);
  assert.deepEqual(found({ lossOut: 0.005 }), ["viewer-leg warn"]);
  assert.deepEqual(found({ lossOut: 0.3 }), ["viewer-leg bad"]);
  assert.deepEqual(found({ oversized: 1 }), ["viewer-leg warn"]);
  assert.deepEqual(found({ inBits: 0 }), ["publisher warn"]);
  assert.deepEqual(found({ inBits: 0, isMeasured: false }), []);
  assert.deepEqual(found({ lossOut: 0.3 }, { watching: 0 }), ["viewers idle"]);
  const idle = stream({ watching: 0, stats: figures({ publisherLive: false }) });
  assert.deepEqual(found({ inBits: 0, lossIn: 0.5 }, idle), ["publisher idle", "viewers idle"]);
});

test("each finding has one sentence and a remedy, with what the stream needs", () => {
  const everything = { inBits: 0, lossIn: 0.5, lossOut: 0.5, drops: 1, oversized: 1 };
  for (const { sentence, remedy } of diagnose(stream(), { ...well, ...everything })) {
    assert.match(sentence, /^[A-Z0-9][\s\S]*\.$/);
    assert.match(remedy, /^[A-Z0-9][\s\S]*\.$/);
  }
  const stats = figures({ publisherLive: false });
  const remedyOf = (more: Parameters<typeof stream>[0]): string =>
    diagnose(stream({ ...more, stats }), well)[0]?.remedy ?? "";
  assert.match(remedyOf({}), /UDP port 9099\.$/);
  assert.match(remedyOf({ from: ["192.0.2.0/24"] }), /from 192\.0\.2\.0\/24\.$/);
  assert.match(remedyOf({ ingestPorts: [] }), /publish key/);
});

test("a place fares as the worst that was found there; legs without traffic are idle", () => {
  const places: readonly Place[] = ["publisher", "publisher-leg", "relay", "viewer-leg", "viewers"];
  const healths = (now: Partial<Recent>, more: Parameters<typeof stream>[0] = {}): string[] => {
    const findings = diagnose(stream(more), { ...well, ...now });
    return places.map((place) => healthAt(place, stream(more), findings));
  };
  assert.deepEqual(healths({}), ["good", "good", "good", "good", "good"]);
  assert.deepEqual(healths({ lossOut: 0.5, oversized: 3 }), ["good", "good", "good", "bad", "good"]);
  assert.deepEqual(healths({}, { watching: 0 }), ["good", "good", "good", "idle", "idle"]);
  const stats = figures({ publisherLive: false });
  assert.deepEqual(healths({}, { stats }), ["idle", "idle", "good", "idle", "good"]);
});

test("the picture's words say what it shows", () => {
  const words = (now: Partial<Recent>, more: Parameters<typeof stream>[0] = {}): string => {
    const shown = stream(more);
    const recent = { ...well, ...now };
    return describePath(shown, recent, diagnose(shown, recent)).replaceAll("\u00a0", " ");
  };
  assert.match(words({}), /^The publisher sends 2\.00 Mbit\/s.*to 1 viewer\. No losses are known\.$/);
  assert.match(words({ lossIn: 0.1 }), /10 % of the packets get lost between the publisher and the relay\.$/);
  assert.match(words({}, { stats: figures({ publisherLive: false }) }), /^No publisher/);
});
