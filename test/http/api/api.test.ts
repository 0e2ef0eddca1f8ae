import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import fc from "fast-check";
import { openStateStore } from "../../../src/config/state-file.ts";
import { parsePunchUrl } from "../../../src/core/punch-url.ts";
import { systemRandom } from "../../../src/core/random.ts";
import { freePorts, join, openPeer } from "../../server/support.ts";
import { type ApiBench, adminToken, withApi } from "./support.ts";

const streams = "/api/v1/streams";

test("a stream is created, read, changed, and deleted; the state file has it for as long as it is there", () =>
  withApi(async ({ ask, relay, statePath }) => {
    const base = await freePorts(4);
    const created = await ask("POST", streams, { name: "cam", ingestPort: base, from: ["192.0.2.7"] });
    assert.deepEqual([created.status, created.headers.get("location")], [201, `${streams}/cam`]);
    assert.deepEqual(created.json.ingestPorts, [base, base + 1, base + 2, base + 3]);
    assert.deepEqual([created.json.from, created.json.origin], [["192.0.2.7/32"], "created"]);
    const listed = (await ask("GET", streams)).json.streams;
    assert.deepEqual(
      listed.map((stream: { name: string; origin: string }) => [stream.name, stream.origin]),
      [
        ["live", "configured"],
        ["cam", "created"],
      ],
    );
    const changed = await ask("PATCH", `${streams}/cam`, {
      takeover: true,
      from: [],
      components: 2,
      ingestPort: "none",
    });
    assert.deepEqual([changed.status, changed.json.ingestPorts, changed.json.components], [200, [], 2]);
    const [kept] = (await openStateStore(statePath, systemRandom)).created();
    assert.deepEqual([kept?.name, kept?.components, kept?.ingestPort, kept?.takeover], ["cam", 2, undefined, true]);
    assert.equal(kept?.viewKey, relay.stream("cam")?.viewKey);
    assert.deepEqual((await ask("GET", `${streams}/cam`)).json.takeover, true);
    assert.equal((await ask("DELETE", `${streams}/cam`)).status, 204);
    assert.equal((await ask("GET", `${streams}/cam`)).status, 404);
    assert.deepEqual((await openStateStore(statePath, systemRandom)).created(), []);
  }));

test("what cannot be kept is undone", () =>
  withApi(async ({ ask, relay, statePath, faults }) => {
    // A folder in the file's place.
    const { mkdir } = await import("node:fs/promises");
    await mkdir(statePath);
    const refused = await ask("POST", streams, { name: "cam" });
    assert.deepEqual([refused.status, refused.json.code], [500, "FILE_UNWRITABLE"]);
    assert.equal(relay.stream("cam"), undefined);
    assert.equal(faults.length, 1);
    const before = relay.stream("live")?.viewKey;
    assert.equal((await ask("POST", `${streams}/live/keys/rotate`, { which: "view" })).status, 500);
    assert.equal(relay.stream("live")?.viewKey, before);
  }));

test("a stream of the configuration is changed there only, and so are the keys that it sets", () =>
  withApi(async ({ ask, relay }) => {
    for (const [method, body] of [["PATCH", { takeover: true }], ["DELETE"]] as const) {
      const { status, json } = await ask(method, `${streams}/live`, body);
      assert.deepEqual([status, json.code], [409, "STREAM_CONFIGURED"]);
    }
    for (const which of ["publish", "both", undefined]) {
      const { status, json } = await ask("POST", `${streams}/live/keys/rotate`, { which });
      assert.deepEqual([status, json.code], [409, "STREAM_CONFIGURED"]);
    }
    const before = relay.stream("live");
    const rotated = await ask("POST", `${streams}/live/keys/rotate`, { which: "view" });
    assert.equal(rotated.status, 200);
    assert.equal(rotated.json.publishKey, before?.publishKey);
    assert.match(rotated.json.viewKey, /^[0-9a-f]{32}$/);
    assert.equal(relay.stream("live")?.viewKey, rotated.json.viewKey);
    assert.deepEqual((await ask("GET", `${streams}/live/keys`)).json, rotated.json);
  }));

test("a minted credential opens a hole until it ends", () =>
  withApi(async ({ ask, relay }) => {
    const minted = await ask("POST", `${streams}/live/keys/mint`, { role: "view", lifetimeSeconds: 60 });
    assert.equal(minted.status, 201);
    const { username, password, expires, url } = minted.json;
    assert.ok(Math.abs(expires - Date.now() / 1000 - 60) < 5);
    const parsed = parsePunchUrl(url);
    assert.deepEqual([parsed.key, parsed.expires, parsed.stream], [password, expires, "live"]);
    const viewer = await join(relay.punchAt(), { username, password });
    assert.equal(viewer.punches[0]?.type, "granted");
    await viewer.close();
    const publish = (await ask("POST", `${streams}/live/keys/mint`, { role: "publish" })).json;
    assert.match(publish.username, /:live:publish$/);
    assert.ok(Math.abs(publish.expires - Date.now() / 1000 - 3_600) < 5);
  }));

test("viewers are listed and kicked", () =>
  withApi(async ({ ask, relay }) => {
    const viewer = await join(relay.punchAt(), { session: "00112233445566ff" });
    const { viewers } = (await ask("GET", `${streams}/live/viewers`)).json;
    assert.deepEqual([viewers.length, viewers[0].id, viewers[0].by], [1, "00112233445566ff", "key"]);
    assert.equal(viewers[0].holes[0].mapped, `127.0.0.1:${viewer.local.port}`);
    assert.ok(!JSON.stringify(viewers).includes("key-of-live"), "no key is in it");
    const path = `${streams}/live/viewers/${viewers[0].id}`;
    assert.equal((await ask("DELETE", path)).status, 204);
    const again = await ask("DELETE", path);
    assert.deepEqual([again.status, again.json.code], [404, "NO_SUCH_VIEWER"]);
    await viewer.close();
  }));

test("without the right token nothing is answered, and guessing is slow", () =>
  withApi(async ({ ask }) => {
    const document = (await ask("GET", "/openapi.json", undefined, { authorization: "" })).json;
    const locked = Object.entries(
      document.paths as Record<string, Record<string, { security?: { adminToken?: [] }[] }>>,
    )
      .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })))
      .filter(({ operation }) => operation.security?.some(({ adminToken: needed }) => needed !== undefined));
    assert.equal(locked.length, 13);
    for (const { path, method } of locked) {
      const url = path.replaceAll(/\{\w+\}/g, "live");
      const { status, headers, type } = await ask(method.toUpperCase(), url, undefined, { authorization: "" });
      assert.deepEqual([status, type], [401, "application/problem+json; charset=utf-8"], url);
      assert.match(headers.get("www-authenticate") ?? "", /Bearer/);
    }
    for (const wrong of ["Bearer wrong", `Basic ${adminToken}`, `Bearer ${adminToken}x`, "Bearer view-key-of-live"]) {
      assert.equal((await ask("GET", streams, undefined, { authorization: wrong })).status, 401, wrong);
    }
    const statuses: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      statuses.push((await ask("GET", streams, undefined, { authorization: "Bearer guess" })).status);
    }
    assert.equal(statuses.at(-1), 429);
    assert.equal((await ask("GET", streams)).status, 429, "the right one waits as well");
  }));

test("clients elsewhere are refused, whatever token they show, unless the API is for them", async () => {
  const elsewhere = { "x-forwarded-for": "203.0.113.9" };
  await withApi(async ({ ask }) => {
    const { status, json } = await ask("GET", streams, undefined, elsewhere);
    assert.equal(status, 403);
    assert.match(json.message, /--http-listen/);
    assert.equal((await ask("GET", "/healthz", undefined, elsewhere)).status, 200);
  });
  await withApi(async ({ ask }) => assert.equal((await ask("GET", streams, undefined, elsewhere)).status, 200), {
    from: "anywhere",
  });
  await withApi(async ({ ask }) => assert.match((await ask("GET", streams)).json.message, /API is off/), {
    token: undefined,
  });
});

test("wrong bodies are refused with a sentence, and nothing is made", () =>
  withApi(async ({ ask, relay }) => {
    const bodies: readonly unknown[] = [
      {},
      { name: "" },
      { name: "../etc/passwd" },
      { name: "a b" },
      { name: "a/b" },
      { name: "x".repeat(65) },
      { name: "cam\n" },
      { name: "-cam" },
      { name: ["cam"] },
      { name: "cam", ingestPort: 0 },
      { name: "cam", ingestPort: 65_535, components: 2 },
      { name: "cam", ingestPort: "9099" },
      { name: "cam", components: 256 },
      { name: "cam", components: 1.5 },
      { name: "cam", from: ["here"] },
      { name: "cam", viewKey: "short" },
      { name: "cam", viewKey: "with \u0000 nothing" },
      { name: "cam", admin: true },
      { name: "cam", ingestPort: 1, toString: 1 },
      [],
      null,
    ];
    for (const body of bodies) {
      const { status, json } = await ask("POST", streams, body);
      assert.equal(status, 400, JSON.stringify(body));
      assert.equal(json.code, "BAD_OPTION", JSON.stringify(body));
      assert.ok(json.message.length < 400);
    }
    assert.equal((await ask("POST", streams, "name=cam")).status, 415);
    const json = { "content-type": "application/json" };
    for (const text of ["", "{", '{"__proto__":{"name":"cam"}}']) {
      assert.equal((await ask("POST", streams, text, json)).status, 400, text);
    }
    assert.equal((await ask("POST", streams, { name: "cam", from: Array(70_000).fill("::1") })).status, 413);
    const taken = await ask("POST", streams, { name: "cam", ingestPort: relay.ingestPort });
    assert.deepEqual([taken.status, taken.json.code], [400, "BAD_OPTION"]);
    assert.deepEqual([(await ask("POST", streams, { name: "live" })).status], [409]);
    assert.deepEqual(
      relay.streams.map(({ name }) => name),
      ["live"],
    );
  }));

test("names that mean something to JavaScript, files or URLs are names like any other, or none", () =>
  withApi(async ({ ask, relay, statePath }) => {
    for (const name of ["constructor", "toString", "hasOwnProperty", "valueOf", "a..b", "CON", "1"]) {
      assert.equal((await ask("POST", streams, { name })).status, 201, name);
      assert.equal((await ask("GET", `${streams}/${name}`)).json.name, name);
    }
    const after = JSON.parse(await readFile(statePath, "utf8"));
    assert.equal(Object.keys(after.streams).length, 7);
    const hostile = [
      "__proto__",
      "%2e%2e",
      "..%2f..%2fetc",
      "live%00",
      "live%0a",
      "%ff",
      "live;x",
      "💥",
      "a".repeat(65),
    ];
    for (const name of hostile) {
      for (const rest of ["", "/keys", "/viewers"]) {
        const { status } = await ask("GET", `${streams}/${name}${rest}`);
        assert.ok(status === 404 || status === 400, `${name}${rest}: ${status}`);
      }
    }
    const arbitrary = fc.string({ unit: "binary", maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(arbitrary, async (name) => {
        const { status } = await ask("DELETE", `${streams}/live/viewers/${encodeURIComponent(name)}x`);
        assert.ok(status === 404 || status === 400, `${JSON.stringify(name)}: ${status}`);
      }),
      { numRuns: 50, seed: 1 },
    );
    assert.equal(relay.streams.length, 8);
  }));

test("a port that another program has is a conflict, told with what it is for", () =>
  withApi(async ({ ask }: ApiBench) => {
    const port = await freePorts(1);
    const squatter = await openPeer("127.0.0.1", port);
    const { status, json } = await ask("POST", streams, { name: "cam", ingestPort: port, components: 1 });
    await squatter.close();
    assert.deepEqual([status, json.code], [409, "PORT_IN_USE"]);
    assert.match(json.message, /stream 'cam'/);
  }));

test("the relay tells what it is", () =>
  withApi(async ({ ask, relay }) => {
    const { json } = await ask("GET", "/api/v1/relay");
    const { version, plane, punchPort, streams: count, mintsKeys } = json;
    assert.deepEqual([version, plane, punchPort, count, mintsKeys], ["1.2.3", "userspace", relay.punchPort, 1, true]);
  }));
