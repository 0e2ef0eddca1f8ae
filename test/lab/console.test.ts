import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { createRelayClient, type RelayClient } from "../../src/http/client/relay-client.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import type { ListeningStream, ServerEvent } from "../../src/server/server-events.ts";
import { violations } from "../support/accessibility.ts";
import { adminToken, base, relayHost, sendFrom, symmetric } from "../support/browser-scene.ts";
import { type BrowserPage, looks, openPage } from "../support/chromium.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { crowd } from "../support/listed-crowd.ts";
import { type Running, runRelay, runWatch } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const needs = await needsLab("chromium", "ffmpeg", "curl");
const isBuilt = existsSync(new URL("../../dist/console/index.html", import.meta.url));
const options = { ...needs, ...(!isBuilt && { skip: "the console is not built: npm run build" }), timeout: 120_000 };

/** Takes what is worth knowing of a run. */
interface Told {
  diagnostic(message: string): void;
}

test(
  "the console, in a browser behind a NAT, shows a live stream and creates and deletes one by keyboard",
  options,
  (t) =>
    inScene(async (lab, relay, stream) => {
      sendFrom(lab, [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-g",
        "60",
        "-pix_fmt",
        "yuv420p",
      ]);
      const watch = runWatch(lab.host("C2"), stream.watchUrl);
      await watch.until("ready");
      const page = await openPage(lab.host("C1"), `${base}/`);
      try {
        await signIn(page, t);
        await lookAtStream(page, t, relay, stream);
        await kickViewer(page, relay);
        await createAndDelete(page, api(lab));
        await page.navigate(`${base}/reference`);
        await page.until("document.querySelector('h1') && document.querySelectorAll('section').length > 20", 5_000);
        await takePictures(page, t, "reference");
        const elsewhere = page.requests.filter((url) => !url.startsWith(`${base}/`) && !url.startsWith("data:"));
        assert.deepEqual(elsewhere, []);
        // The browser tells of the wrong token's answer and the wrong name's; anything else would be ours.
        const errors = page.messages.filter((message) => /^error(?!.*status of 40[01])/.test(message));
        assert.deepEqual(errors, []);
      } finally {
        await page.close();
      }
    }),
);

test("a thousand viewers are listed, sorted and found at once", options, (t) =>
  inScene(async (lab) => {
    const page = await openPage(lab.host("C1"), `${base}/#token=${adminToken}`, crowd);
    try {
      await page.until("document.querySelector('.stream')", 10_000);
      await page.evaluate("location.hash = '#/streams/live'");
      await page.until("document.querySelector('.pages')?.textContent.includes('1,000 viewers, page 1 of 40')", 10_000);
      assert.equal(await page.evaluate("document.querySelectorAll('.viewers tbody tr').length"), 25);
      assert.equal(await page.evaluate("document.querySelector('.viewers tbody td').textContent"), "9.9\u00a0%");
      const ms = await page.evaluate<number>(`new Promise((resolve) => {
        const begun = performance.now();
        document.querySelector('.viewers th button').click();
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - begun)));
      })`);
      t.diagnostic(`sorting 1,000 viewers took ${ms.toFixed(0)} ms, the frame included`);
      assert.ok(ms < 500);
      await page.page.getByLabel("Find").fill("203.0.115.7:");
      await page.until("document.querySelectorAll('.viewers tbody tr').length === 1", 2_000);
      await page.page.getByLabel("Find").fill("");
      await page.page.getByRole("button", { name: "Loss" }).click();
      await takePictures(page, t, "crowd");
    } finally {
      await page.close();
    }
  }),
);

test("a relay that is gone is told, what it told stays, and it is back by itself", options, (t) =>
  inScene(async (lab, relay, _stream, start) => {
    const page = await openPage(lab.host("C1"), `${base}/#token=${adminToken}`);
    try {
      await page.until("document.querySelector('.stream')", 10_000);
      await relay.kill("SIGKILL");
      await page.until("document.querySelector('.banner')?.textContent.includes('does not answer')", 10_000);
      assert.equal(await page.evaluate("document.querySelectorAll('.stream').length"), 1);
      await takePictures(page, t, "lost");
      start();
      await page.until("!document.querySelector('.banner') && document.querySelector('.bar .good')", 15_000);
      assert.equal(await page.evaluate("document.querySelectorAll('.stream').length"), 1);
    } finally {
      await page.close();
    }
  }),
);

async function inScene(
  use: (
    lab: Lab,
    relay: Running<ServerEvent>,
    stream: ListeningStream,
    start: () => Running<ServerEvent>,
  ) => Promise<void>,
): Promise<void> {
  await withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false, client: symmetric, moreViewers: [{}] }), async (lab) => {
      const access = ["--http-listen", relayHost, "--admin-token", adminToken, "--auth-secret", "a-secret-of-tests"];
      const start = (): Running<ServerEvent> =>
        runRelay(lab.host("relay"), "--state", join(folder, "state.json"), ...access);
      const relay = start();
      const { streams, console: url } = await relay.until("listening");
      assert.equal(url, `${base}/`);
      const [stream] = streams;
      assert.ok(stream !== undefined);
      await use(lab, relay, stream, start);
    }),
  );
}

/** A wrong token first, then the right one in the URL. */
async function signIn(page: BrowserPage, t: Told): Promise<void> {
  await page.until("document.querySelector('#token')", 10_000);
  await takePictures(page, t, "sign-in");
  await page.page.keyboard.type("wrong-token");
  await page.page.keyboard.press("Enter");
  await page.until("document.querySelector('[role=alert]')?.textContent.includes('not the relay')", 5_000);
  assert.deepEqual(await violations(page), []);
  await page.evaluate(`location.hash = '#token=${adminToken}'`);
  await page.until("document.querySelector('.stream')", 5_000);
  assert.equal(await page.evaluate("location.href"), `${base}/`);
  const bits = "parseFloat(document.querySelector('.stream .figures dd').textContent)";
  await page.until(`document.querySelector('.stream .chip').textContent === 'Live' && ${bits} > 0`, 10_000);
  t.diagnostic(
    `overview: ${await page.evaluate("document.querySelector('.stream').innerText.replaceAll('\\n', ' ')")}`,
  );
  await takePictures(page, t, "overview");
}

async function lookAtStream(
  page: BrowserPage,
  t: Told,
  relay: Running<ServerEvent>,
  { watchUrl, publishUrl }: ListeningStream,
): Promise<void> {
  const [viewKey, publishKey] = [parsePunchUrl(watchUrl).key, parsePunchUrl(publishUrl).key];
  await press(page, "live");
  await page.until(
    "document.activeElement.tagName === 'H1' && document.querySelectorAll('.uplot').length === 3",
    5_000,
  );
  const [hole] = relay.all("hole-opened").filter(({ component }) => component === 0);
  const [host = "", port = ""] = hole?.mapped.split(":") ?? [];
  const listed = await page.until<string>("document.querySelector('.viewers tbody th')?.innerText", 10_000);
  t.diagnostic(`the viewer is listed as ${listed.replaceAll("\n", " ")}, punched from ${hole?.mapped}`);
  assert.ok(listed.includes(host) && listed.includes(`:${port}`));
  const picture = "document.querySelector('.path title').textContent";
  assert.match(await page.evaluate<string>(picture), /The publisher sends .*bit\/s.* to 1 viewer/);
  await page.until("document.querySelector('.card table')?.innerText.includes('H264')", 5_000);
  const hidden = await page.evaluate<string>("document.documentElement.outerHTML");
  assert.ok(!hidden.includes(viewKey) && !hidden.includes(publishKey), "a key is there before it was asked for");
  await takePictures(page, t, "stream");

  await press(page, "Show the keys");
  await page.until(`document.body.innerText.includes('${publishKey}') && document.querySelector('.qr')`, 5_000);
  await press(page, "Play here");
  await page.until("document.querySelector('iframe')?.contentDocument?.querySelector('video')?.videoWidth > 0", 15_000);
  await page.until("document.querySelector('.viewers')?.innerText.includes('browser')", 5_000);
  await takePictures(page, t, "player");
  await press(page, "Hide the keys");
  await page.until(
    `!document.querySelector('iframe') && !document.documentElement.outerHTML.includes('${viewKey}')`,
    2_000,
  );
}

async function kickViewer(page: BrowserPage, relay: Running<ServerEvent>): Promise<void> {
  await page.page
    .getByRole("button", { name: /^Kick / })
    .first()
    .focus();
  await page.page.keyboard.press("Enter");
  await page.until("document.querySelector('dialog[open]')?.innerText.includes('Kick')", 2_000);
  await press(page, "Kick");
  await relay.until("hole-closed", { where: ({ reason }) => reason === "kicked" });
  await page.until("!document.querySelector('dialog')", 5_000);
}

async function createAndDelete(page: BrowserPage, client: RelayClient): Promise<void> {
  const { keyboard } = page.page;
  await press(page, "Streams");
  await press(page, "Create a stream");
  await page.until("document.querySelector('dialog[open]') && document.activeElement.tagName === 'INPUT'", 2_000);
  await keyboard.type("a b");
  await keyboard.press("Enter");
  await page.until("document.activeElement.getAttribute('aria-invalid') === 'true'", 5_000);
  assert.deepEqual(await violations(page), []);
  await keyboard.press("ControlOrMeta+a");
  await keyboard.type("studio");
  await keyboard.press("Tab");
  await keyboard.type("9200");
  await keyboard.press("Enter");
  await page.until(
    "document.querySelector('h1')?.textContent === 'studio' && !document.querySelector('dialog')",
    5_000,
  );
  assert.deepEqual((await client.readStream("studio")).ingestPorts.slice(0, 1), [9200]);
  assert.deepEqual(await violations(page), []);
  await press(page, "Delete");
  await page.until("document.querySelector('dialog[open]')", 2_000);
  await keyboard.press("Escape");
  await page.until("!document.querySelector('dialog')", 2_000);
  assert.equal((await client.readStream("studio")).name, "studio");
  await press(page, "Delete");
  await page.until("document.querySelector('dialog[open]')", 2_000);
  await press(page, "Delete");
  await page.until(
    "document.querySelector('h1')?.textContent === 'Streams' && !document.querySelector('dialog')",
    5_000,
  );
  assert.deepEqual(
    (await client.listStreams()).map(({ name }) => name),
    ["live"],
  );
}

/** Goes on with Tab until what has this name is reached, sees that its focus shows, and presses Enter. */
async function press(page: BrowserPage, name: string): Promise<void> {
  const seen: string[] = [];
  for (let i = 0; i < 80; i += 1) {
    await page.page.keyboard.press("Tab");
    const [text = "", outline] = await page.evaluate<string[]>(
      "[document.activeElement.textContent.trim(), getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement, '::after').outlineStyle]",
    );
    if (text === name) {
      assert.match(outline ?? "", /solid/, `${name} shows no focus`);
      await page.page.keyboard.press("Enter");
      return;
    }
    seen.push(text.slice(0, 20));
  }
  assert.fail(`Tab does not reach '${name}', only ${seen.join(" | ")}`);
}

/** How the page looks, for a person to look at; and that nothing is wrong with it in any look. */
async function takePictures(page: BrowserPage, t: Told, view: string): Promise<void> {
  const folder = join(tmpdir(), "punchcast-screenshots");
  await mkdir(folder, { recursive: true });
  for (const { name, ...look } of looks) {
    await page.show(look);
    await page.evaluate("scrollTo(0, 0)");
    // Charts are drawn anew for another width or scheme.
    await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    assert.deepEqual(await violations(page), [], `${view}, ${name}`);
    const width = await page.evaluate<number>("document.documentElement.scrollWidth");
    assert.ok(width <= look.width, `${view}, ${name} is ${width} wide`);
    const path = join(folder, `console-${view}-${name}.png`);
    await page.page.screenshot({ path, fullPage: true });
    t.diagnostic(`screenshot: ${path}`);
  }
}

function api(lab: Lab): RelayClient {
  const ask = async (url: string | URL | Request): Promise<Response> => {
    const { stdout } = await lab
      .host("relay")
      .run("curl", ["-sf", "-H", `authorization: Bearer ${adminToken}`, String(url)]);
    return new Response(stdout, { headers: { "content-type": "application/json" } });
  };
  return createRelayClient({ url: base, token: adminToken, fetch: ask });
}
