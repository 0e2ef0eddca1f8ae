import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { formatEndpoint } from "../../src/core/address.ts";
import type { ApiStream, ApiViewer } from "../../src/http/api/shapes.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import type { ListeningStream } from "../../src/server/server-events.ts";
import { violations } from "../support/accessibility.ts";
import {
  adminToken,
  api,
  base,
  inScene,
  publishScript,
  relayHost,
  sendFrom,
  spy,
  watchUrl,
} from "../support/browser-scene.ts";
import { type BrowserPage, looks, openPage } from "../support/chromium.ts";
import { decodeArgs, readDecoded, sdpInput } from "../support/ffmpeg.ts";
import { needsLab } from "../support/lab.ts";
import { attend, runCommand, runSend, runWatch } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const options = { ...(await needsLab("chromium", "ffmpeg", "python3")), timeout: 120_000 };

const viewersPath = "/api/v1/streams/live/viewers";

/** Takes what is worth knowing of a run. */
interface Told {
  diagnostic(message: string): void;
}

test(
  "a browser behind a NAT watches picture and sound, and is back when its process was killed",
  options,
  async (t) => {
    await inScene(async (lab, stream) => {
      sendFrom(lab, [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-tune",
        "zerolatency",
        "-g",
        "90",
        "-pix_fmt",
        "yuv420p",
      ]);
      const others = await attend(lab.host("C2"), stream.watchUrl);
      await others.player.until("first");
      // Longer than between two key frames: the browser has to be shown the past.
      await delay(3_500);
      const page = await openPage(lab.host("C1"), watchUrl(stream), spy);
      try {
        const width = await page.until<number>("document.querySelector('video')?.videoWidth", 10_000);
        const first = await page.until<number>("window.shown[0]", 5_000);
        t.diagnostic(`first picture after ${Math.round(first)} ms, the start of WebRTC's process included`);
        assert.equal(width, 640);
        await page.evaluate("document.querySelector('video').muted = false");
        await playsOn(page, t, 20);
        const reloadedAt = await page.evaluate<number>("performance.timeOrigin");
        await page.navigate(`${watchUrl(stream).replace("#", "?again#")}`);
        const again = await page.until<number>(`performance.timeOrigin > ${reloadedAt} && window.shown[0]`, 10_000);
        t.diagnostic(`first picture after ${Math.round(again)} ms once that process runs`);
        assert.ok(again < 1_000);
        await page.evaluate("document.querySelector('video').muted = false");
        await page.until("inbound('audio').then(({ totalAudioEnergy }) => totalAudioEnergy > 0)", 5_000);
        const { audioLevel, totalAudioEnergy } = await page.evaluate<Record<string, number>>("inbound('audio')");
        t.diagnostic(`sound: level ${audioLevel}, energy ${totalAudioEnergy}`);
        assert.ok((totalAudioEnergy ?? 0) > 0);
        await looksRight(page, t, "live");
        assert.deepEqual(
          page.requests.filter((url) => !url.startsWith(base)),
          [],
        );
        await isSeen(lab, t);

        const { stdout } = await lab.host("relay").run("pgrep", ["-f", "webrtc/child"]);
        const killedAt = await page.evaluate<number>("performance.now()");
        await lab.host("relay").run("kill", ["-KILL", ...stdout.trim().split(/\s+/)]);
        await page.until("connections.length > 1 && connections.at(-1).connectionState === 'connected'", 10_000);
        const backAt = await page.until<number>(
          `window.shown.find((at, i) => i > 0 && at > ${killedAt} && at - window.shown[i - 1] > 500)`,
          10_000,
        );
        t.diagnostic(`back ${Math.round(backAt - killedAt)} ms after the kill`);
        assert.ok(backAt - killedAt < 3_000);
        await playsOn(page, t, 2);
        await others.player.kill();
        const { packets, missing } = await others.player.until("done");
        t.diagnostic(`the UDP viewer has ${packets} packets, ${missing} missing`);
        assert.equal(missing, 0);
        await isSentAway(lab, page, t);
      } finally {
        await page.close();
      }
    });
  },
);

test("VP8 and VP9 play too", options, async (t) => {
  const realtime = ["-deadline", "realtime", "-cpu-used", "8", "-g", "60", "-b:v", "500k", "-s", "320x180"];
  const encoders = {
    VP8: ["-c:v", "libvpx", ...realtime],
    VP9: ["-c:v", "libvpx-vp9", ...realtime, "-strict", "-2"],
  };
  for (const [name, encoder] of Object.entries(encoders)) {
    await inScene(async (lab, stream) => {
      sendFrom(lab, encoder);
      const page = await openPage(lab.host("C1"), watchUrl(stream), spy);
      try {
        await page.until("document.querySelector('video')?.videoWidth === 320", 15_000);
        await delay(1_500);
        t.diagnostic(name);
        await playsOn(page, t, 3);
      } finally {
        await page.close();
      }
    });
  }
});

test("AV1 from one browser plays in another, and what WebRTC cannot carry is said", options, async (t) => {
  await inScene(async (lab, stream) => {
    const camera = await openPage(lab.host("C1"), `${base}/healthz`, spy);
    const page = await openPage(lab.host("C2"), "about:blank", spy);
    try {
      assert.equal(await camera.evaluate<number>(publishScript(stream, "AV1")), 201);
      await page.navigate(watchUrl(stream));
      await page.until("document.querySelector('video')?.videoWidth === 640", 15_000);
      const { codecId } = await page.evaluate<{ codecId: string }>("inbound('video')");
      const codec = await page.evaluate(`connections.at(-1).getStats().then((all) => all.get("${codecId}").mimeType)`);
      assert.equal(codec, "video/AV1");
      await delay(1_500);
      await playsOn(page, t, 3, 10);
    } finally {
      await camera.close();
      await page.close();
    }
  });
  await inScene(async (lab, stream) => {
    runSend(lab.host("S1"), sampleClipPath(), stream.publishUrl, "--loop");
    const page = await openPage(lab.host("C1"), watchUrl(stream), spy);
    try {
      await page.until("document.querySelector('video')?.videoWidth", 15_000);
      // The sample has B-frames, and its sound is AAC.
      const notes = await page.until<string>(
        "document.querySelectorAll('#notes li').length > 1 && document.getElementById('notes').innerText",
        20_000,
      );
      t.diagnostic(`the page says: ${notes}`);
      assert.match(notes, /B-frames.*-bf 0.*\n*.*AAC.*Opus/);
      await looksRight(page, t, "notes");
      await page.navigate(`${base}/watch/${stream.name}?wrong#key=wrong`);
      await page.until("document.getElementById('badge').dataset.state === 'failed'", 5_000);
      await looksRight(page, t, "failed");
    } finally {
      await page.close();
    }
  });
});

test("a browser's camera is watched with ffmpeg", options, async (t) => {
  await inScene(async (lab, stream) => {
    const page = await openPage(lab.host("C1"), `${base}/healthz`, spy);
    try {
      const status = await page.evaluate<number>(publishScript(stream));
      assert.equal(status, 201);
      await page.until("connections.at(-1).connectionState === 'connected'", 10_000);
      await withTempFolder(async (folder) => {
        const sdp = join(folder, "live.sdp");
        const watch = runWatch(lab.host("C2"), stream.watchUrl, "--sdp-out", sdp);
        await watch.until("sdp");
        await isPublishing(lab, page, stream, t);
        const player = lab.host("C2");
        await player.run("timeout", ["8", "ffmpeg", ...decodeArgs(folder, "live", sdpInput(sdp))]).catch(() => {});
        await watch.kill();
        const { pictures, sound } = await readDecoded(folder, "live");
        t.diagnostic(`${pictures.length} pictures, ${sound.length} bytes of sound`);
        assert.ok(pictures.length > 60 && new Set(pictures).size > 30 && sound.some((byte) => byte !== 0));
      });
    } finally {
      await page.close();
    }
    // Nothing is kept for newcomers: what they get was asked for.
  }, "--no-cache");
});

async function browsersOf(lab: Lab): Promise<ApiViewer[]> {
  const { viewers } = await api<{ viewers: ApiViewer[] }>(lab, "GET", viewersPath);
  return viewers.filter(({ by }) => by === "browser");
}

/** The browser is listed and counted as other viewers are. */
async function isSeen(lab: Lab, t: Told): Promise<void> {
  const rttOf = ([viewer]: readonly ApiViewer[]): number | undefined =>
    viewer?.holes.find(({ component }) => component === 0)?.report?.rttMs;
  let listed = await browsersOf(lab);
  // Reports answer each other, once a second.
  for (let i = 0; i < 10 && rttOf(listed) === undefined; i += 1) {
    await delay(500);
    listed = await browsersOf(lab);
  }
  const [viewer, ...others] = listed;
  assert.ok(viewer !== undefined && others.length === 0);
  t.diagnostic(`listed as ${JSON.stringify(viewer)}`);
  assert.deepEqual(viewer.holes.map(({ component }) => component).toSorted(), [0, 2]);
  const mappings = (await lab.router("router-C1").mappings()).map(({ mapped }) => formatEndpoint(mapped));
  for (const { mapped, relay, sent, consentLeftMs } of viewer.holes) {
    assert.ok(mappings.includes(mapped), `${mapped} is none of ${mappings}`);
    assert.equal(relay, `${relayHost}:9001`);
    assert.ok(sent.packets > 50 && sent.bytes > 50 * sent.packets && sent.drops === 0 && consentLeftMs > 20_000);
  }
  assert.ok((rttOf(listed) ?? 1_000) < 200);
  assert.equal(viewer.holes.find(({ component }) => component === 0)?.report?.lossFraction, 0);
  const metrics = await api<string>(lab, "GET", "/metrics");
  assert.match(metrics, /^punchcast_browsers\{stream="live",role="viewers"\} 1$/m);
  assert.match(metrics, /^punchcast_viewers\{stream="live"\} 2$/m);
  assert.match(
    metrics,
    new RegExp(`^punchcast_viewer_packets_total\\{stream="live",viewer="${viewer.id}"\\} \\d`, "m"),
  );
  const status = await runCommand(lab.host("relay"), "status", "--viewers", "--admin-token", adminToken);
  assert.match(status, new RegExp(`^live +${viewer.id} +browser +${viewer.holes[0]?.mapped}`, "m"));
}

/** The camera's stream is live for the relay, and who comes later has a key frame at once, which a camera makes on demand. */
async function isPublishing(lab: Lab, page: BrowserPage, stream: ListeningStream, t: Told): Promise<void> {
  await delay(2_000);
  const { stats } = await api<ApiStream>(lab, "GET", "/api/v1/streams/live");
  assert.deepEqual([stats.publisherLive, stats.browsers?.publishers, stats.browsers?.viewers], [true, 1, 0]);
  assert.ok((stats.in[0]?.packets ?? 0) > 50 && (stats.in[2]?.packets ?? 0) > 50);
  const before = await page.evaluate<number>("keyFrames()");
  await delay(1_500);
  assert.equal(await page.evaluate("keyFrames()"), before, "none comes by itself");
  const newcomer = runWatch(lab.host("C2"), stream.watchUrl);
  await newcomer.until("punched");
  const joinedAt = performance.now();
  await page.until(`keyFrames().then((count) => count > ${before})`, 3_000);
  const waited = performance.now() - joinedAt;
  t.diagnostic(`a key frame ${Math.round(waited)} ms after a newcomer`);
  assert.ok(waited < 1_000);
  await newcomer.kill();
}

/** Another key ends what was begun with the old one; a kick ends a page that would otherwise come back. */
async function isSentAway(lab: Lab, page: BrowserPage, t: Told): Promise<void> {
  const failed =
    "document.getElementById('badge').dataset.state === 'failed' && document.getElementById('state').innerText";
  const rotatedAt = performance.now();
  const { viewKey } = await api<{ viewKey: string }>(lab, "POST", "/api/v1/streams/live/keys/rotate", {
    which: "view",
  });
  assert.match(await page.until<string>(failed, 30_000), /key is wrong/);
  t.diagnostic(`out ${Math.round(performance.now() - rotatedAt)} ms after its key`);
  assert.deepEqual(await browsersOf(lab), []);
  await page.navigate(`${base}/watch/live?new#key=${viewKey}`);
  await page.until("document.getElementById('badge').dataset.state === 'live'", 10_000);
  const [viewer] = await browsersOf(lab);
  await api(lab, "DELETE", `${viewersPath}/${viewer?.id}`);
  assert.match(await page.until<string>(failed, 5_000), /ended this session/);
  assert.deepEqual(await browsersOf(lab), []);
}

/** Pictures go on being shown, 20 a second at least, none frozen; looked at once more where a busy machine froze some. */
async function playsOn(page: BrowserPage, t: Told, seconds: number, atLeast = 20, isAgain = false): Promise<void> {
  const before = await page.evaluate<{ framesDecoded: number; freezeCount: number }>("inbound('video')");
  await delay(seconds * 1_000);
  const after = await page.evaluate<typeof before & { packetsLost: number; pliCount: number }>("inbound('video')");
  const rate = (after.framesDecoded - before.framesDecoded) / seconds;
  const frozen = after.freezeCount - before.freezeCount;
  t.diagnostic(
    `${rate.toFixed(1)} pictures a second, ${frozen} frozen, ${after.packetsLost} lost, ${after.pliCount} PLI`,
  );
  assert.ok(rate >= atLeast, `${rate} pictures a second`);
  // An encoder that cannot keep up with its camera on a busy machine freezes pictures, too.
  if (atLeast < 20 || frozen === 0) return;
  if (isAgain) assert.fail(`${frozen} pictures frozen`);
  await playsOn(page, t, seconds, atLeast, true);
}

/** Nothing keeps anybody from using the page as it is now; what it looks like is saved for people to look at. */
async function looksRight(page: BrowserPage, t: Told, state: string): Promise<void> {
  const folder = join(tmpdir(), "punchcast-screenshots");
  await mkdir(folder, { recursive: true });
  for (const look of looks) {
    const path = join(folder, `watch-${state}-${look.name}.png`);
    await page.screenshot(path, look);
    t.diagnostic(`screenshot: ${path}`);
    assert.deepEqual(await violations(page), [], look.name);
  }
}
