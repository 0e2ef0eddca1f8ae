import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "../../server/support.ts";
import { until } from "../../support/until.ts";
import { check, type Document, documentSchema } from "../open-api-document.ts";
import { type ApiAnswer, type ApiBench, withApi } from "./support.ts";

async function exercise({ ask, relay }: ApiBench, document: Document): Promise<Set<string>> {
  const seen = new Set<string>();
  const request = async (operationId: string, method: string, path: string, body?: unknown): Promise<ApiAnswer> => {
    const answer = await ask(method, path, body);
    check(document, operationId, answer);
    seen.add(`${operationId} ${answer.status}`);
    return answer;
  };
  const streams = "/api/v1/streams";
  await request("readRelay", "GET", "/api/v1/relay");
  await request("listStreams", "GET", streams);
  await request("createStream", "POST", streams, { name: "cam" });
  await request("createStream", "POST", streams, { name: "cam" });
  await request("createStream", "POST", streams, { name: "a b" });
  await request("createStream", "POST", streams, "name=cam");
  await request("readStream", "GET", `${streams}/cam`);
  await request("readStream", "GET", `${streams}/none`);
  await request("changeStream", "PATCH", `${streams}/cam`, { takeover: true });
  await request("changeStream", "PATCH", `${streams}/live`, { takeover: true });
  await request("changeStream", "PATCH", `${streams}/cam`, { takeover: 1 });
  await request("changeStream", "PATCH", `${streams}/none`, {});
  await request("readKeys", "GET", `${streams}/cam/keys`);
  await request("readKeys", "GET", `${streams}/none/keys`);
  await request("rotateKeys", "POST", `${streams}/cam/keys/rotate`, {});
  await request("rotateKeys", "POST", `${streams}/live/keys/rotate`, {});
  await request("rotateKeys", "POST", `${streams}/cam/keys/rotate`, { which: "all" });
  await request("rotateKeys", "POST", `${streams}/none/keys/rotate`, {});
  await request("mintKey", "POST", `${streams}/cam/keys/mint`, { role: "view" });
  await request("mintKey", "POST", `${streams}/cam/keys/mint`, { role: "view", lifetimeSeconds: 0 });
  await request("mintKey", "POST", `${streams}/none/keys/mint`, { role: "view" });
  const viewer = await join(relay.punchAt());
  const viewers = `${streams}/live/viewers`;
  const { json } = await request("listViewers", "GET", viewers);
  await request("listViewers", "GET", `${streams}/none/viewers`);
  const watched = await request("readStream", "GET", `${streams}/live`);
  await request("readMetrics", "GET", "/metrics");
  await request("kickViewer", "DELETE", `${viewers}/${json.viewers[0].id}`);
  await request("kickViewer", "DELETE", `${viewers}/nobody`);
  await viewer.close();
  assert.equal(watched.json.watching, 1);
  await request("deleteStream", "DELETE", `${streams}/live`);
  await request("deleteStream", "DELETE", `${streams}/cam`);
  await request("deleteStream", "DELETE", `${streams}/cam`);
  return seen;
}

test("every operation answers what the OpenAPI description says, in success and refusal", () =>
  withApi(async (bench) => {
    const described = await bench.ask("GET", "/openapi.json", undefined, { authorization: "" });
    const document = documentSchema.parse(described.json);
    const seen = await exercise(bench, document);
    const all = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    for (const { operationId, responses } of all) {
      // Events end never and have a test of their own; SDPs are not JSON and have theirs.
      if (operationId === undefined || operationId === "followEvents") continue;
      const generic = new Set(["401", "403", "429", "415"]);
      for (const status of Object.keys(responses)) {
        if (generic.has(status)) continue;
        const isSeen = seen.has(`${operationId} ${status}`) || (operationId === "mintKey" && status === "409");
        assert.ok(isSeen, `${operationId} is said to answer ${status}: exercise it`);
      }
    }
  }));

test("the reference page has every route and loads nothing", () =>
  withApi(async ({ ask }) => {
    const page = await ask("GET", "/reference", undefined, { authorization: "" });
    assert.match(page.type, /^text\/html/);
    assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
    const document = documentSchema.parse((await ask("GET", "/openapi.json")).json);
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of Object.keys(methods))
        assert.ok(page.text.includes(`${method.toUpperCase()} ${path}<`), path);
    }
    assert.doesNotMatch(page.text, /<script|src=|url\(|https?:/);
  }));

test("events are followed from the moment of asking, each once to every follower", () =>
  withApi(async ({ url, relay, ask }) => {
    const controllers = [new AbortController(), new AbortController()];
    const texts = ["", ""];
    for (const [i, { signal }] of controllers.entries()) {
      const response = await fetch(`${url}/api/v1/events`, { signal, headers: authorization() });
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      void (async () => {
        for await (const chunk of response.body ?? []) texts[i] += Buffer.from(chunk).toString("utf8");
      })().catch(() => {});
    }
    assert.match((await ask("GET", "/metrics")).text, /^punchcast_event_followers 2$/m);
    const viewer = await join(relay.punchAt());
    await until("the hole at both", () => texts.every((text) => text.includes("event: hole-opened\n")));
    for (const text of texts) {
      assert.ok(text.startsWith(": connected\n\n"));
      const opened = text.split("\n\n").filter((each) => each.includes("hole-opened"));
      assert.equal(opened.length, 1);
      const data = JSON.parse(/^data: (.*)$/m.exec(opened[0] ?? "")?.[1] ?? "");
      assert.deepEqual([data.event, data.stream, typeof data.time], ["hole-opened", "live", "string"]);
    }
    controllers[0]?.abort();
    const [listed] = await relay.viewers();
    relay.kick("live", listed?.id ?? "");
    await until("the other goes on", () => (texts[1] ?? "").includes("event: hole-closed\n"));
    controllers[1]?.abort();
    await viewer.close();
  }));

function authorization(): { authorization: string } {
  return { authorization: "Bearer admin-token-of-tests" };
}
