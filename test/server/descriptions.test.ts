import assert from "node:assert/strict";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import type { WireStream } from "../../src/sdp/infer.ts";
import { createDescriptions, type Description, type Descriptions } from "../../src/server/descriptions.ts";
import { mp4boxLike } from "../sdp/examples.ts";

const vp8 = { kind: "video", payloadType: 100, codec: "VP8", clockRate: 90_000 } as const;
const oneTrack = mp4boxLike.split("m=audio")[0] ?? "";

/** Descriptions of `live` with four components and `small` with one; `wire` may change. */
function make(given: [string, string][] = []): { all: Descriptions; wire: Map<string, Omit<WireStream, "name">> } {
  const wire = new Map<string, Omit<WireStream, "name">>();
  const all = createDescriptions({
    componentsOf: (name) =>
      new Map([
        ["live", 4],
        ["small", 1],
      ]).get(name),
    given: new Map(given),
    inferred: (name) => wire.get(name),
  });
  return { all, wire };
}

const sourceOf = (found: Description): string => (found.kind === "sdp" ? found.source : found.kind);

function complaint(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof PunchcastError && error.code === "BAD_SDP", String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: "accepted" });
}

test("given before published before inferred, and each stream for itself", () => {
  const { all, wire } = make([["small", oneTrack]]);
  assert.deepEqual([sourceOf(all.find("live")), sourceOf(all.find("small"))], ["pending", "given"]);
  wire.set("live", { tracks: [vp8], liveMs: 9_000 });
  assert.equal(sourceOf(all.find("live")), "inferred");
  all.publish("live", mp4boxLike.replaceAll("96", "100"));
  assert.equal(sourceOf(all.find("live")), "published");
  all.publish("small", oneTrack.replace("livesession", "other"));
  const found = all.find("small");
  assert.equal(found.kind === "sdp" && found.sdp.name, "livesession");
});

test("a published one outlives its publisher, but not packets that it does not name", () => {
  const { all, wire } = make();
  all.publish("live", mp4boxLike);
  assert.equal(sourceOf(all.find("live")), "published");
  wire.set("live", { tracks: [vp8], liveMs: 9_000 });
  assert.equal(sourceOf(all.find("live")), "inferred");
  wire.delete("live");
  assert.equal(sourceOf(all.find("live")), "published");
  assert.deepEqual([all.withdraw("live"), all.withdraw("live")], [true, false]);
  assert.equal(sourceOf(all.find("live")), "pending");
});

test("what is no SDP, too large or has too many tracks is refused, and what was there stays", () => {
  const { all } = make();
  all.publish("live", mp4boxLike);
  assert.match(
    complaint(() => all.publish("live", "hello")),
    /Line 1/,
  );
  assert.match(
    complaint(() => all.publish("live", mp4boxLike + "a=x:é\n".repeat(10_000))),
    /at most 65536/,
  );
  const threeTracks = `${mp4boxLike.trimEnd()}\nm=video 9103 RTP/AVP 33\n`;
  assert.match(
    complaint(() => all.publish("live", threeTracks)),
    /3 tracks.*4 components.*--components 6/,
  );
  assert.match(
    complaint(() => all.publish("nowhere", oneTrack)),
    /0 components/,
  );
  all.publish("small", oneTrack);
  assert.equal(sourceOf(all.find("live")), "published");
});

test("a given one that cannot be used stops the start", () => {
  assert.match(
    complaint(() => make([["small", mp4boxLike]])),
    /2 tracks, but stream 'small'/,
  );
});
