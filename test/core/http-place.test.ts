import assert from "node:assert/strict";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { httpBaseOf, isHttpPlace } from "../../src/core/http-place.ts";
import { formatPunchUrl, parsePunchUrl } from "../../src/core/punch-url.ts";

test("HTTP is at the punch port's number unless it is said to be elsewhere", () => {
  const relay = { host: "relay.example", port: 9000 };
  assert.equal(httpBaseOf(relay), "http://relay.example:9000");
  assert.equal(httpBaseOf({ host: "2001:db8::1", port: 9000, http: "80" }), "http://[2001:db8::1]:80");
  assert.equal(httpBaseOf({ ...relay, http: "https://relay.example/punch/" }), "https://relay.example/punch");
  assert.equal(httpBaseOf({ ...relay, http: "none" }), undefined);
});

test("a place is a port, a plain URL or none", () => {
  for (const place of ["1", "65535", "none", "http://a", "https://a.example:8443/x"])
    assert.ok(isHttpPlace(place), place);
  for (const place of ["", "0", "65536", "ftp://a", "a", "http://", "https://a/?x=1", "http://user@a", "javascript:1"])
    assert.ok(!isHttpPlace(place), place);
});

test("a punch URL carries it both ways", () => {
  const url = parsePunchUrl("punch://relay.example/live?key=K&http=https%3A%2F%2Frelay.example");
  assert.equal(url.http, "https://relay.example");
  assert.deepEqual(parsePunchUrl(formatPunchUrl(url)), url);
  assert.ok(!("http" in parsePunchUrl("punch://relay.example/live?key=K")));
  const isBadUrl = (error: unknown): boolean =>
    error instanceof PunchcastError && error.code === "BAD_URL" && !error.message.includes("SECRET");
  assert.throws(() => parsePunchUrl("punch://relay.example/live?key=SECRET&http=99999"), isBadUrl);
});
