import assert from "node:assert/strict";
import { test } from "node:test";
import { createWebRtc } from "../../src/webrtc/web-rtc.ts";
import type { WebRtc, WebRtcOptions } from "../../src/webrtc/web-rtc-types.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { scriptedChild } from "./scripted-child.ts";

const offer = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
  .concat(["m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:0", "a=recvonly", "a=rtpmap:96 VP8/90000"])
  .concat(["a=candidate:1 1 udp 1 victim.example 53 typ host", ""])
  .join("\r\n");

/** Answers every offer, connects it, and says what it was told. */
const answering = `
  pipe.on("data", createFrameReader((frame) => {
    if (frame.kind !== "message") return;
    const message = JSON.parse(frame.text);
    if (message.type === "start") tell({ type: "ready" });
    if (message.type === "close") tell({ type: "closed", session: message.session });
    if (message.type !== "view" && message.type !== "publish") return;
    tell({ type: "answer", session: message.session, sdp: message.offer });
    tell({ type: "connected", session: message.session });
    const legs = [{ component: 0, sent: { packets: 5, bytes: 500, drops: 0 } }];
    tell({ type: "figures", viewers: [{ session: message.session, silentMs: 0, legs }] });
  }));`;

interface Rig {
  readonly webRtc: WebRtc;
  readonly clock: FakeClock;
  readonly warnings: readonly string[];
  readonly listening: () => number;
}

function withWebRtc(
  script: string,
  use: (rig: Rig) => Promise<void>,
  limits: WebRtcOptions["limits"] = { perAddress: 9, perStream: 9, total: 9 },
): Promise<void> {
  return withTempFolder(async (folder) => {
    const clock = createFakeClock();
    const warnings: string[] = [];
    let listening = 0;
    const tracks = [{ kind: "video", payloadType: 96, codec: "VP8", clockRate: 90_000 }] as const;
    const webRtc = createWebRtc({
      ...{ clock, limits, port: 9_001, entry: await scriptedChild(folder, script) },
      warn: (message) => void warnings.push(message),
      source: {
        sdp: () => undefined,
        wire: () => ({ tracks, liveMs: 60_000 }),
        isLive: () => true,
        isSeen: true,
        listen() {
          listening += 1;
          return () => {
            listening -= 1;
          };
        },
        wantKeyFrame: () => {},
        componentsOf: () => 4,
        publishKeyOf: () => "key",
        describe: () => {},
        punch: { address: "127.0.0.1", port: 9_000 },
      },
    });
    try {
      await use({ webRtc, clock, warnings, listening: () => listening });
    } finally {
      await webRtc.close();
    }
  });
}

const asker = (source = "a", isGood: () => boolean = () => true): { source: string; isGood: () => boolean } => ({
  source,
  isGood,
});

test("where the library is missing, offers are refused with the reason, which is told once", () =>
  withWebRtc(`tell({ type: "failed", message: "Cannot find package" });`, async ({ webRtc, warnings, listening }) => {
    for (const begin of [webRtc.view, webRtc.publish, webRtc.view]) {
      const refused = await begin("live", offer, asker());
      assert.ok("kind" in refused && refused.kind === "unavailable" && refused.message.includes("Cannot find package"));
    }
    assert.match(webRtc.status("live").message ?? "", /cannot serve browsers/);
    assert.equal(warnings.length, 1);
    assert.equal(listening(), 0);
  }));

test("sessions begin without the browser's candidates, and end when their key is no longer good", () =>
  withWebRtc(answering, async ({ webRtc, clock, listening }) => {
    let isGood = true;
    const [first, second] = [
      await webRtc.view(
        "live",
        offer,
        asker("a", () => isGood),
      ),
      await webRtc.view("live", offer, asker("b")),
    ];
    assert.ok("id" in first && "id" in second);
    assert.doesNotMatch(first.answer, /candidate/);
    await until("both", () => webRtc.counts("live").viewers === 2 && webRtc.counts("live").sent.packets === 10);
    assert.equal(listening(), 1);
    clock.advance(6_000);
    assert.equal(webRtc.viewers().length, 2);
    isGood = false;
    clock.advance(6_000);
    assert.deepEqual([webRtc.find("live", first.id), webRtc.find("live", second.id)], ["unknown", "there"]);
    assert.equal(webRtc.find("other", second.id), "unknown", "of another stream");
    webRtc.end("other", second.id);
    assert.equal(webRtc.counts("live").viewers, 1);
    webRtc.end("live", second.id);
    assert.equal(listening(), 0);
    assert.equal(webRtc.counts("live").sent.packets, 10, "what was sent stays counted");
  }));

test("who is kicked is told so for a minute", () =>
  withWebRtc(answering, async ({ webRtc, clock }) => {
    const session = await webRtc.view("live", offer, asker());
    assert.ok("id" in session);
    await until("it is connected", () => webRtc.viewers("live").length === 1);
    const [viewer] = webRtc.viewers("live");
    assert.ok(viewer !== undefined && viewer.id !== session.id);
    assert.equal(webRtc.kick("other", viewer.id), false);
    assert.equal(webRtc.kick("live", viewer.id), true);
    assert.equal(webRtc.kick("live", viewer.id), false);
    assert.equal(webRtc.find("live", session.id), "kicked");
    clock.advance(66_000);
    assert.equal(webRtc.find("live", session.id), "unknown");
  }));

test("offers that come at once are bounded like those that come one after the other", () =>
  withWebRtc(
    answering,
    async ({ webRtc }) => {
      const all = await Promise.all(Array.from({ length: 8 }, () => webRtc.view("live", offer, asker())));
      assert.equal(all.filter((each) => "id" in each).length, 3);
      const another = await webRtc.publish("live", offer, asker("b"));
      assert.ok("id" in another);
      const refused = await webRtc.view("live", offer, asker("b"));
      assert.ok("kind" in refused && refused.kind === "unavailable" && /^4 browsers/.test(refused.message));
    },
    { perAddress: 3, perStream: 9, total: 4 },
  ));

test("an offer with thousands of lines is refused, in no time", () =>
  withWebRtc(answering, async ({ webRtc }) => {
    const line = offer.slice(offer.indexOf("m="));
    const startedAt = performance.now();
    const refused = await webRtc.view("live", offer + line.repeat(500), asker());
    assert.deepEqual(refused, { kind: "bad-offer", reason: "too-many-lines" });
    await assert.rejects(webRtc.view("live", `v=0\r\n${"m=\r\n".repeat(12_000)}`, asker()), { code: "BAD_SDP" });
    assert.ok(performance.now() - startedAt < 500);
  }));

test("a process that does not answer costs who asks three seconds, and leaves no session", () =>
  withWebRtc(`tell({ type: "ready" });`, async ({ webRtc, clock, listening }) => {
    const asked = webRtc.view("live", offer, asker());
    await until("it was handed on", () => listening() === 1);
    clock.advance(3_100);
    const refused = await asked;
    assert.ok("kind" in refused && /took too long/.test("message" in refused ? refused.message : ""));
    assert.equal(listening(), 0);
  }));
