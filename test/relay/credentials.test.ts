import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { findGrant, timeLimitedPassword, timeLimitedUsername } from "../../src/relay/credentials.ts";

const keys = { viewKey: "view", publishKey: "publish" };
const context = {
  keysOf: (name: string) => (name === "live" ? keys : undefined),
  authSecret: "secret" as string | undefined,
  wallNowMs: 1_000_000,
};

test("a stream's name is granted with the key of the role", () => {
  assert.deepEqual(findGrant("live", "viewer", context), { stream: "live", role: "viewer", password: "view" });
  assert.deepEqual(findGrant("live", "publisher", context), { stream: "live", role: "publisher", password: "publish" });
  assert.equal(findGrant("other", "viewer", context), "unknown-username");
  assert.equal(findGrant("", "viewer", context), "unknown-username");
});

test("a time-limited password is what the TURN REST API makes", () => {
  const username = "1001:live";
  const expected = createHmac("sha1", "secret").update(username).digest("base64");
  assert.equal(timeLimitedPassword("secret", username), expected);
  assert.deepEqual(findGrant(username, "viewer", context), { stream: "live", role: "viewer", password: expected });
});

test("a time-limited credential ends at its second", () => {
  const username = timeLimitedUsername("live", "viewer", 1000);
  assert.equal(username, "1000:live");
  assert.notEqual(findGrant(username, "viewer", { ...context, wallNowMs: 999_999 }), "expired-credential");
  assert.equal(findGrant(username, "viewer", { ...context, wallNowMs: 1_000_000 }), "expired-credential");
});

test("a time-limited credential is for one role", () => {
  const publish = timeLimitedUsername("live", "publisher", 2000);
  assert.equal(publish, "2000:live:publish");
  assert.equal(findGrant(publish, "viewer", context), "wrong-role");
  assert.equal(findGrant("2000:live", "publisher", context), "wrong-role");
  const grant = findGrant(publish, "publisher", context);
  assert.deepEqual(grant, { stream: "live", role: "publisher", password: timeLimitedPassword("secret", publish) });
});

test("without a secret, or for an unknown stream, no time-limited credential is taken", () => {
  assert.equal(findGrant("2000:live", "viewer", { ...context, authSecret: undefined }), "unknown-username");
  assert.equal(findGrant("2000:other", "viewer", context), "unknown-username");
  for (const odd of [
    "-1:live",
    "2000:",
    ":live",
    "2000:live:",
    "2000:live:publish:publish",
    "9".repeat(16).concat(":live"),
  ])
    assert.equal(findGrant(odd, "viewer", context), "unknown-username", odd);
});
