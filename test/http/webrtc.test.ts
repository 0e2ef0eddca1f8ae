import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { createHttpServer } from "../../src/http/http-server.ts";
import type { WebRtcRefusal } from "../../src/webrtc/web-rtc-types.ts";
import { withCleanup } from "../server/support.ts";
import { publishKey, viewKey } from "../support/punch-request.ts";
import { check, type Document, documentSchema, operationOf } from "./open-api-document.ts";
import { type Calls, fakeRelay, fakeWebRtc, id, kickedId } from "./support.ts";

const offer = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n";
const candidate = "candidate:1 1 udp 2122194687 192.0.2.7 42722 typ host";

type Ask = (
  method: string,
  path: string,
  init?: { readonly key?: string } & Omit<RequestInit, "method">,
) => Promise<Response>;

/** Operations and the statuses that they have answered. */
const seen = new Set<string>();

/** Every answer is one that the OpenAPI description has. */
async function isAsDescribed(document: Document, method: string, path: string, answer: Response): Promise<void> {
  const operation = operationOf(document, method, path);
  if (operation === undefined) return;
  seen.add(`${operation} ${answer.status}`);
  const [text, type] = [await answer.text(), answer.headers.get("content-type") ?? ""];
  check(document, operation, {
    ...{ status: answer.status, type, text },
    ...(type.includes("json") && { json: JSON.parse(text) }),
  });
}

function withServer(body: (ask: Ask, calls: Calls) => Promise<void>, refusal?: WebRtcRefusal): Promise<void> {
  return withCleanup(async (use) => {
    const calls: Calls = { begun: [], ended: [] };
    const faults: string[] = [];
    const { port } = use(
      await createHttpServer({
        ...{ relay: fakeRelay(), webRtc: fakeWebRtc(calls, refusal), port: 0, address: "127.0.0.1" },
        onFault: (message) => faults.push(message),
      }),
    );
    const url = `http://127.0.0.1:${port}`;
    const document = documentSchema.parse(await (await fetch(`${url}/openapi.json`)).json());
    await body(async (method, path, { key = viewKey, headers, ...init } = {}) => {
      const authorization = key === "" ? {} : { authorization: `Bearer ${key}` };
      const all = { "content-type": "application/sdp", ...authorization, ...headers } as Record<string, string>;
      const answer = await fetch(`${url}${path}`, { method, headers: all, ...init });
      await isAsDescribed(document, method, path, answer.clone());
      return answer;
    }, calls);
    assert.deepEqual(faults, []);
  });
}

test("an offer with the view key is answered with a session of its own, which candidates go to and DELETE ends", () =>
  withServer(async (ask, calls) => {
    const made = await ask("POST", "/whep/live", { body: offer });
    assert.equal(made.status, 201);
    assert.deepEqual(
      ["location", "etag", "content-type", "access-control-allow-origin"].map((name) => made.headers.get(name)),
      [`/whep/live/${id}`, `"${id}"`, "application/sdp", "*"],
    );
    assert.match(await made.text(), /answer/);
    const fragment = `a=ice-ufrag:x\r\nm=video 9 RTP/AVP 0\r\na=mid:1\r\na=${candidate}\r\na=end-of-candidates\r\n`;
    const trickle = (tag: Record<string, string>): Promise<Response> =>
      ask("PATCH", `/whep/live/${id}`, {
        body: fragment,
        headers: { "content-type": "application/trickle-ice-sdpfrag", ...tag },
      });
    assert.equal((await trickle({ "if-match": `"${id}"` })).status, 204);
    assert.equal((await trickle({})).status, 428);
    assert.equal((await trickle({ "if-match": "*" })).status, 422);
    assert.equal((await trickle({ "if-match": '"other"' })).status, 412);
    assert.equal((await ask("PATCH", `/whep/live/${id}`, { body: fragment })).status, 415);
    assert.equal((await ask("DELETE", `/whep/live/${id}`)).status, 204);
    assert.equal((await ask("DELETE", `/whep/live/${id.replace("0", "f")}`)).status, 404);
    assert.equal((await ask("DELETE", `/whep/live/${kickedId}`)).status, 403);
    assert.deepEqual(calls.ended, [`live ${id}`]);
  }));

test("publishing needs the publish key, watching any of the two", () =>
  withServer(async (ask, calls) => {
    assert.equal((await ask("POST", "/whip/live", { body: offer })).status, 401);
    assert.equal((await ask("POST", "/whip/live", { body: offer, key: publishKey })).status, 201);
    assert.equal((await ask("POST", "/whep/live", { body: offer, key: publishKey })).status, 201);
    assert.equal((await ask("POST", "/whep/live", { body: offer, key: "" })).status, 401);
    assert.equal((await ask("DELETE", `/whep/live/${id}`, { key: "wrong" })).status, 401);
    assert.equal((await ask("GET", "/watch/live/status", { key: "" })).status, 401);
    assert.deepEqual(calls.begun, ["publish live", "live"]);
  }));

test("other hosts' pages are told what they may do, and everybody what is not done here", () =>
  withServer(async (ask) => {
    const options = await ask("OPTIONS", "/whep/live", { key: "" });
    assert.deepEqual(
      [options.status, options.headers.get("access-control-allow-methods"), options.headers.get("accept-post")],
      [204, "POST, OPTIONS", "application/sdp"],
    );
    assert.match(options.headers.get("access-control-allow-headers") ?? "", /Authorization/);
    const resource = await ask("OPTIONS", `/whip/live/${id}`, { key: "" });
    assert.equal(resource.headers.get("access-control-allow-methods"), "PATCH, DELETE, OPTIONS");
    const got = await ask("GET", "/whep/live");
    assert.deepEqual([got.status, got.headers.get("allow")], [405, "POST, OPTIONS"]);
    assert.equal((await ask("POST", "/whep/live", { body: "nonsense" })).status, 400);
    assert.equal(
      (await ask("POST", "/whep/live", { body: offer, headers: { "content-type": "text/plain" } })).status,
      415,
    );
    assert.equal((await ask("POST", "/whep/..%2flive", { body: offer })).status, 404);
  }));

test("what cannot be served is said with its reason, and when to ask again", async () => {
  const status = async (refusal: WebRtcRefusal): Promise<readonly unknown[]> => {
    let told: readonly unknown[] = [];
    await withServer(async (ask) => {
      const answer = await ask("POST", "/whep/live", { body: offer });
      const { message } = (await answer.json()) as { message: string };
      assert.equal(answer.headers.get("access-control-allow-origin"), "*");
      told = [answer.status, answer.headers.get("retry-after"), message];
    }, refusal);
    return told;
  };
  const no = { track: 1, kind: "video", plays: "no", message: "The video is MPEG-2: send H.264." } as const;
  assert.deepEqual(await status({ kind: "not-live" }), [
    404,
    "2",
    "Nobody sends to stream 'live' now: ask again later.",
  ]);
  assert.deepEqual(await status({ kind: "not-playable", outlook: [no] }), [
    406,
    null,
    "Stream 'live' does not play here: The video is MPEG-2: send H.264.",
  ]);
  const early = await status({ kind: "not-playable", outlook: [{ ...no, plays: "not-yet" }] });
  assert.deepEqual(early.slice(0, 2), [404, "2"]);
  assert.deepEqual((await status({ kind: "bad-offer", reason: "no-mid" })).slice(0, 2), [422, null]);
  assert.deepEqual((await status({ kind: "unavailable", message: "no library" })).slice(0, 2), [503, "2"]);
});

test("the page holds no key, and loads nothing but its own", () =>
  withServer(async (ask) => {
    const page = await ask("GET", "/watch/live", { key: "" });
    assert.equal(page.status, 200);
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'.*connect-src 'self'/);
    assert.equal(page.headers.get("referrer-policy"), "no-referrer");
    let weight = gzipSync(await page.text()).length;
    for (const path of ["/watch.js", "/watch.css"]) {
      const file = await ask("GET", path, { key: "" });
      assert.equal(file.status, 200);
      weight += gzipSync(await file.text()).length;
    }
    assert.ok(weight < 10_000, `${weight} bytes`);
    assert.deepEqual(await (await ask("GET", "/watch/live/status")).json(), {
      live: true,
      tracks: [{ track: 1, kind: "video", codec: "H.264", plays: "yes" }],
    });
  }));

test("hostile names, sessions, bodies and tokens are the client's fault", () =>
  withServer(async (ask, calls) => {
    const names = [
      "__proto__",
      "constructor",
      "..%2f..%2fetc",
      "live%00",
      "%ff",
      "live%0a",
      "-x",
      "a".repeat(65),
      "💥",
    ];
    const sessions = ["", "0", id.toUpperCase(), `${id}0`, "__proto__", "%2e%2e", "*"];
    for (const base of ["whep", "whip"]) {
      for (const name of names) {
        for (const path of [`/${base}/${name}`, `/${base}/${name}/${id}`]) {
          for (const method of ["POST", "PATCH", "DELETE", "GET"]) {
            const { status } = await ask(method, path, { key: publishKey, ...(method !== "GET" && { body: offer }) });
            assert.ok(status >= 400 && status < 500, `${method} ${path}: ${status}`);
          }
        }
        for (const rest of ["", "/status"])
          assert.ok((await ask("GET", `/watch/${name}${rest}`, { key: "" })).status < 500);
      }
      for (const session of sessions) {
        const { status } = await ask("DELETE", `/${base}/live/${session}`, { key: publishKey });
        assert.equal(status, 404, session);
      }
      for (const body of ["", "v=0", "\u0000".repeat(1_000), "m=\n".repeat(9_000), "a=candidate:x\r\n".repeat(3_000)]) {
        const { status } = await ask("POST", `/${base}/live`, { key: publishKey, body });
        assert.equal(status, 400, body.slice(0, 20));
      }
      for (const [method, path] of [
        ["POST", "live"],
        ["PATCH", `live/${id}`],
      ] as const)
        assert.equal(
          (await ask(method, `/${base}/${path}`, { key: publishKey, body: "x".repeat(70_000) })).status,
          413,
        );
    }
    assert.deepEqual([calls.begun, calls.ended], [[], []]);
  }));

test("who guesses waits, whatever is asked for", () =>
  withServer(async (ask) => {
    for (let i = 0; i < 10; i += 1) assert.equal((await ask("POST", "/whep/live", { key: `guess-${i}` })).status, 401);
    const headers = { "content-type": "application/trickle-ice-sdpfrag" };
    for (const base of ["whep", "whip"]) {
      for (const [method, path] of [
        ["POST", ""],
        ["PATCH", `/${id}`],
        ["DELETE", `/${id}`],
      ] as const) {
        assert.equal((await ask(method, `/${base}/live${path}`, { headers })).status, 429);
      }
    }
    assert.equal((await ask("GET", "/watch/live/status")).status, 429);
  }));

test("publishers are told what viewers are", async () => {
  const trickle = { key: publishKey, headers: { "content-type": "application/trickle-ice-sdpfrag" } };
  await withServer(async (ask) => {
    for (const base of ["whep", "whip"]) {
      const [key, path] = [publishKey, `/${base}/live/${id}`];
      const withTag = (tag: string): typeof trickle => ({
        key,
        headers: { ...trickle.headers, "if-match": tag } as never,
      });
      const statuses = [
        await ask("POST", `/${base}/live`, { key, body: offer, headers: { "content-type": "text/plain" } }),
        await ask("PATCH", path, { key, body: "" }),
        await ask("PATCH", path, trickle),
        await ask("PATCH", path, withTag('"other"')),
        await ask("PATCH", path, withTag("*")),
        await ask("PATCH", path, withTag(`W/"${id}"`)),
        await ask("PATCH", `/${base}/live/${kickedId}`, withTag(`"${kickedId}"`)),
        await ask("PATCH", `/${base}/a.b/${id}`, withTag(`"${id}"`)),
        await ask("PATCH", path, { ...trickle, key: "wrong" }),
        await ask("DELETE", `/${base}/live/${kickedId}`, { key }),
        await ask("DELETE", `/${base}/a.b/${id}`, { key }),
        await ask("DELETE", path, { key: "" }),
        await ask("DELETE", path, { key }),
      ].map(({ status }) => status);
      assert.deepEqual(statuses, [415, 415, 428, 412, 422, 204, 403, 404, 401, 403, 404, 401, 204]);
    }
  });
  for (const [refusal, status] of [
    [{ kind: "bad-offer", reason: "too-many-lines" }, 422],
    [{ kind: "unavailable", message: "it is full" }, 503],
  ] as const) {
    await withServer(async (ask) => {
      for (const base of ["whep", "whip"])
        assert.equal((await ask("POST", `/${base}/live`, { key: publishKey, body: offer })).status, status);
    }, refusal);
  }
});

test("nothing is described that does not happen", () =>
  withServer(async (ask) => {
    const document = documentSchema.parse(await (await ask("GET", "/openapi.json")).json());
    const ours = Object.entries(document.paths).filter(([path]) => /^\/(whep|whip|watch)\//.test(path));
    assert.equal(ours.length, 6);
    for (const { operationId = "", responses } of ours.flatMap(([, methods]) => Object.values(methods))) {
      for (const status of Object.keys(responses))
        assert.ok(seen.has(`${operationId} ${status}`), `${operationId} is said to answer ${status}: exercise it`);
    }
  }));
