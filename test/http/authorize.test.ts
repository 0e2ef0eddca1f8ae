import assert from "node:assert/strict";
import { test } from "node:test";
import { signRequest } from "../../src/core/signed-request.ts";
import { authorize, type Credentials, isStillGood } from "../../src/http/authorize.ts";
import { timeLimitedPassword } from "../../src/relay/credentials.ts";
import { publishKey, viewKey } from "../support/punch-request.ts";
import { authSecret, fakeRelay } from "./support.ts";

const now = 1_700_000_000;
const plain = { method: "GET", target: "/streams/live.sdp" };

function ask(access: "view" | "publish", credentials: Partial<Credentials>, stream = "live"): string {
  const verdict = authorize(stream, access, { ...plain, ...credentials }, fakeRelay(), now * 1000);
  return typeof verdict === "object" ? "granted" : verdict;
}

/** A signed request's header. */
const signed = (username: string, key: string, time = now): Partial<Credentials> => ({
  authorization: signRequest({ ...plain, username, time }, key),
});

/** A time-limited credential that ends in `seconds`. */
function timed(seconds: number, role = ""): { username: string; password: string; expires: string } {
  const username = `${now + seconds}:live${role}`;
  return { username, password: timeLimitedPassword(authSecret, username), expires: String(now + seconds) };
}

test("a key as it is: the view key views, the publish key does both, and only for its own stream", () => {
  for (const by of [(key: string) => ({ key }), (key: string) => ({ authorization: `Bearer ${key}` })]) {
    assert.deepEqual([ask("view", by(viewKey)), ask("view", by(publishKey))], ["granted", "granted"]);
    assert.deepEqual([ask("publish", by(publishKey)), ask("publish", by(viewKey))], ["granted", "wrong-credentials"]);
    assert.equal(ask("view", by("wrong")), "wrong-credentials");
    assert.equal(ask("view", by(viewKey), "other"), "wrong-credentials");
    assert.equal(ask("view", by(viewKey), "nowhere"), "wrong-credentials");
  }
  assert.equal(ask("view", {}), "no-credentials");
  assert.equal(ask("view", { authorization: "Basic eDp5" }), "wrong-credentials");
});

test("a signature: by the same keys, within a minute of now", () => {
  assert.equal(ask("view", signed("live", viewKey)), "granted");
  assert.equal(ask("view", signed("live", publishKey)), "granted");
  assert.equal(ask("publish", signed("live", publishKey)), "granted");
  assert.equal(ask("publish", signed("live", viewKey)), "wrong-credentials");
  assert.equal(ask("view", signed("other", "view-key-of-other")), "wrong-credentials");
  const at = (time: number): string => ask("view", signed("live", viewKey, time));
  assert.deepEqual([at(now - 60), at(now + 60)], ["granted", "granted"]);
  assert.deepEqual([at(now - 61), at(now + 61)], ["wrong-time", "wrong-time"]);
  assert.equal(ask("view", { ...signed("live", viewKey), target: "/streams/live.sdp?port=1" }), "wrong-credentials");
  assert.equal(ask("view", { ...signed("live", viewKey), body: Buffer.from("x") }), "wrong-credentials");
});

test("time-limited credentials, signed or as they are, until they end and in their role", () => {
  const view = timed(60);
  const publish = timed(60, ":publish");
  assert.equal(ask("view", signed(view.username, view.password)), "granted");
  assert.equal(ask("publish", signed(view.username, view.password)), "wrong-credentials");
  assert.equal(ask("publish", signed(publish.username, publish.password)), "granted");
  assert.equal(ask("view", { key: view.password, expires: view.expires }), "granted");
  assert.equal(ask("publish", { key: view.password, expires: view.expires }), "wrong-credentials");
  assert.equal(ask("publish", { key: publish.password, expires: publish.expires }), "granted");
  const over = timed(-1);
  assert.equal(ask("view", signed(over.username, over.password)), "wrong-credentials");
  assert.equal(ask("view", { key: over.password, expires: over.expires }), "wrong-credentials");
  assert.equal(ask("view", { key: view.password, expires: "soon" }), "wrong-credentials");
});

test("what was proven holds until the key is another, the time is over, or the stream is gone", () => {
  const relay = fakeRelay();
  const prove = (credentials: Partial<Credentials>): { username: string; password: string } => {
    const proof = authorize("live", "view", { ...plain, ...credentials }, relay, now * 1000);
    assert.ok(typeof proof === "object");
    return proof;
  };
  const { password, expires } = timed(60);
  const [own, limited, signature] = [{ key: viewKey }, { key: password, expires }, signed("live", viewKey)].map(prove);
  const later = (now + 30) * 1000;
  for (const proof of [own, limited, signature]) {
    assert.ok(proof !== undefined && isStillGood("live", "view", proof, relay, later));
    assert.equal(isStillGood("live", "publish", proof, relay, later), false);
    assert.equal(
      isStillGood("live", "view", proof, { ...relay, keysOf: () => undefined, authSecret: "x" }, later),
      false,
    );
  }
  assert.ok(own !== undefined && limited !== undefined && signature !== undefined);
  assert.equal(isStillGood("live", "view", limited, relay, (now + 61) * 1000), false);
  assert.equal(isStillGood("live", "view", signature, relay, (now + 86_400) * 1000), true);
  const rotated = { ...relay, keysOf: () => ({ viewKey: "another-key", publishKey }) };
  assert.equal(isStillGood("live", "view", own, rotated, later), false);
});
