import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isSignedBy, parseSignature, sameSecret, signRequest } from "../../src/core/signed-request.ts";

const request = { method: "GET", target: "/streams/live.sdp?port=5004", username: "live", time: 1_700_000_000 };

test("the signature is what the documentation says, for any client to make", () => {
  const hmac = (text: string): string => createHmac("sha256", "key").update(text).digest("hex");
  const line = "GET /streams/live.sdp?port=5004 live 1700000000";
  assert.equal(signRequest(request, "key"), `Punchcast live:1700000000:${hmac(line)}`);
  const body = Buffer.from("v=0");
  const bodyHash = createHash("sha256").update(body).digest("hex");
  assert.equal(signRequest({ ...request, body }, "key"), `Punchcast live:1700000000:${hmac(`${line} ${bodyHash}`)}`);
  assert.equal(signRequest({ ...request, body: new Uint8Array() }, "key"), signRequest(request, "key"));
});

test("read back it proves the key, and nothing else that was signed", () => {
  const signature = parseSignature(signRequest({ ...request, username: "1700:live:publish" }, "clé"));
  assert.ok(signature !== undefined);
  assert.deepEqual([signature.username, signature.time], ["1700:live:publish", request.time]);
  const signed = { ...request, ...signature };
  assert.ok(isSignedBy(signed, signature.digest, "clé"));
  // The same word, decomposed.
  assert.ok(isSignedBy(signed, signature.digest, "cle\u0301"));
  for (const other of [
    { method: "PUT" },
    { target: "/streams/other.sdp" },
    { username: "live" },
    { time: request.time + 1 },
    { body: Buffer.from("x") },
  ])
    assert.ok(!isSignedBy({ ...signed, ...other }, signature.digest, "clé"), JSON.stringify(other));
  assert.ok(!isSignedBy(signed, signature.digest, "cle"));
  assert.ok(!isSignedBy(signed, signature.digest.subarray(1), "clé"));
});

test("any header is read or not, and never throws", () => {
  for (const field of ["", "Punchcast", "Punchcast live:1:zz", `Punchcast  live:1:${"0".repeat(64)}`, "Bearer x"])
    assert.equal(parseSignature(field), undefined, field);
  fc.assert(fc.property(fc.string(), (text) => parseSignature(`Punchcast ${text}`) === undefined));
});

test("secrets are the same or not, whatever their lengths", () => {
  assert.ok(sameSecret("abc", "abc"));
  assert.ok(!sameSecret("abc", "abd") && !sameSecret("", "abc") && !sameSecret("abcd", "abc"));
});
