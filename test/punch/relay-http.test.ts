import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import { isSignedBy, parseSignature } from "../../src/core/signed-request.ts";
import { askRelay, messageOf } from "../../src/punch/relay-http.ts";
import { freePorts, withCleanup } from "../server/support.ts";
import { type Asked, startHttpStub } from "../support/http-stub.ts";

const credentials = { username: "live", key: "the-key" };

function isSigned({ method, url: target, authorization = "", body }: Asked): boolean {
  const signature = parseSignature(authorization);
  return signature !== undefined && isSignedBy({ method, target, body, ...signature }, signature.digest, "the-key");
}

test("requests are signed, bodies too, and the key stays here", () =>
  withCleanup(async (use) => {
    const stub = use(await startHttpStub(() => ({ status: 200, body: "yes" })));
    const relay = { host: "127.0.0.1", port: 1, http: `http://127.0.0.1:${stub.port}/base/` };
    const target = { ...relay, http: String(stub.port) };
    const got = await askRelay({ relay: target, method: "GET", path: "/x?y=1", credentials, clock: systemClock });
    assert.ok(got.ok && got.value.status === 200 && got.value.body === "yes");
    await askRelay({ relay: target, method: "PUT", path: "/x", body: "v=0", credentials, clock: systemClock });
    await askRelay({ relay, method: "GET", path: "/x", clock: systemClock });
    const [get, put, plain] = stub.asked;
    assert.ok(get !== undefined && isSigned(get) && put !== undefined && isSigned(put));
    assert.ok(!isSigned({ ...put, body: Buffer.from("other") }));
    assert.deepEqual([put.body.toString(), plain?.url, plain?.authorization], ["v=0", "/base/x", undefined]);
    assert.ok(!JSON.stringify(stub.asked).includes("the-key"));
  }));

test("a host whose clock is wrong signs by the relay's", () =>
  withCleanup(async (use) => {
    const date = new Date(0).toUTCString();
    const answer = (_: Asked, count: number) => ({ status: count === 1 ? 401 : 200, body: "", headers: { date } });
    const stub = use(await startHttpStub(answer));
    const relay = { host: "127.0.0.1", port: stub.port };
    const got = await askRelay({ relay, method: "GET", path: "/x", credentials, clock: systemClock });
    assert.ok(got.ok && got.value.status === 200);
    assert.equal(parseSignature(stub.asked[1]?.authorization ?? "")?.time, 0);
  }));

test("a wrong key is asked with once", () =>
  withCleanup(async (use) => {
    const stub = use(await startHttpStub(() => ({ status: 401, body: "" })));
    const relay = { host: "127.0.0.1", port: stub.port };
    const got = await askRelay({ relay, method: "GET", path: "/x", credentials, clock: systemClock });
    assert.ok(got.ok && got.value.status === 401);
    assert.equal(stub.asked.length, 1);
  }));

test("no answer is a sentence's part, never an exception", () =>
  withCleanup(async (use) => {
    const ask = async (relay: { host: string; port: number; http?: string }): Promise<string> => {
      const got = await askRelay({ relay, method: "GET", path: "/x", clock: systemClock });
      return got.ok ? `answered ${got.value.status}` : got.reason;
    };
    assert.match(await ask({ host: "127.0.0.1", port: await freePorts(1) }), /nothing listens/);
    assert.match(await ask({ host: "127.0.0.1", port: 1, http: "none" }), /no HTTP port/);
    const stub = use(await startHttpStub(() => ({ status: 200, body: "x".repeat(300_000) })));
    assert.match(await ask({ host: "127.0.0.1", port: stub.port }), /too large/);
    assert.match(await ask({ host: "127.0.0.1", port: stub.port, http: `https://127.0.0.1:${stub.port}` }), /./);
  }));

test("a relay's sentence is taken without control characters, a stranger's page not at all", () => {
  const message = (body: string): string | undefined => messageOf({ status: 404, body, time: undefined });
  assert.equal(message('{"message":"a\\u001b[2Jb"}'), "a [2Jb");
  for (const body of ["", "<html>", "null", "[]", '{"message":5}']) assert.equal(message(body), undefined, body);
});
