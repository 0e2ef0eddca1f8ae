import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { longTermKey, userHash } from "../../src/stun/credentials.ts";
import { assertThrowsCode } from "./support.ts";
import { fromHex } from "./vectors.ts";

test("the key is the hash of user:realm:pass", () => {
  // RFC 8489 §9.2.2 prints the MD5 of this example.
  assert.deepEqual(longTermKey("MD5", "user", "realm", "pass"), fromHex("8493fbc53ba582fb4c044c456bdc40eb"));
  const sha256 = createHash("sha256").update("user:realm:pass").digest();
  assert.deepEqual(longTermKey("SHA-256", "user", "realm", "pass"), new Uint8Array(sha256));
});

test("each part is prepared before it is hashed", () => {
  const composed = longTermKey("SHA-256", "\u00e9 x", "\u00e9", "\u00e9");
  assert.deepEqual(longTermKey("SHA-256", "e\u0301\u3000x", "e\u0301", "e\u0301"), composed);
  assert.deepEqual(userHash("e\u0301", "\u00a0a"), userHash("\u00e9", " a"));
});

test("a part that cannot be prepared is named, a password is not shown", () => {
  assertThrowsCode("BAD_OPTION", () => userHash("", "realm"));
  assertThrowsCode("BAD_OPTION", () => longTermKey("MD5", "user", "a\n", "pass"));
  assert.throws(
    () => longTermKey("MD5", "user", "realm", "secret\u0000"),
    (error) => error instanceof PunchcastError && !error.message.includes("secret") && /password/.test(error.message),
  );
});
