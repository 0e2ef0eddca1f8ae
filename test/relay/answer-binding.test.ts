import assert from "node:assert/strict";
import { test } from "node:test";
import { findGrant, timeLimitedPassword, timeLimitedUsername } from "../../src/relay/credentials.ts";
import { attributeTypes as types } from "../../src/stun/attribute-types.ts";
import { encodeNonce } from "../../src/stun/attributes/nonce.ts";
import { encodePasswordAlgorithms } from "../../src/stun/attributes/password-algorithms.ts";
import { decodeUnknownAttributes } from "../../src/stun/attributes/unknown-attributes.ts";
import { longTermKey, userHash } from "../../src/stun/credentials.ts";
import { verifyFingerprint, verifyMessageIntegrity, verifyMessageIntegritySha256 } from "../../src/stun/integrity.ts";
import { encodeMessage, findAttribute, type MessageFields } from "../../src/stun/message.ts";
import {
  freshTransactionId,
  publishKey,
  punchRequest,
  type RequestFields,
  readAnswer,
  viewKey,
} from "../support/punch-request.ts";
import { createBench, host, limitsWith, makeStream, refusalOf, replyOf, wallStartMs } from "./support.ts";

const viewer = host(1);
const bindingKey = longTermKey("SHA-256", "live", "punchcast", viewKey);

/** Joins with a request changed by `fields`, and returns what the relay says to it. */
function answerTo(fields: RequestFields, options: Parameters<typeof createBench>[0] = {}) {
  const bench = createBench(options);
  const request = punchRequest({ challenge: bench.challenge(viewer), ...fields });
  const decision = bench.punch(viewer, request);
  const reply = replyOf(decision);
  return { bench, decision, refusal: refusalOf(decision), answer: reply && readAnswer(reply) };
}

test("without credentials: 401 with REALM, NONCE and PASSWORD-ALGORITHMS, unsigned", () => {
  const { punch } = createBench();
  const request = punchRequest();
  const decision = punch(viewer, request);
  assert.equal(refusalOf(decision), "no-credentials");
  const { message, code } = readAnswer(replyOf(decision));
  assert.equal(code, 401);
  assert.equal(message.messageClass, "error");
  assert.deepEqual(message.transactionId, request.slice(8, 20));
  assert.equal(Buffer.from(findAttribute(message, types.realm) ?? "").toString(), "punchcast");
  assert.match(Buffer.from(findAttribute(message, types.nonce) ?? "").toString(), /^obMatJos2AAAD[\w-]{16}$/);
  assert.deepEqual([...(findAttribute(message, types.passwordAlgorithms) ?? [])], [0, 2, 0, 0, 0, 1, 0, 0]);
  assert.equal(findAttribute(message, types.messageIntegritySha256), undefined);
  assert.ok(verifyFingerprint(message));
  assert.ok((replyOf(decision)?.length ?? 0) <= request.length);
});

test("no USERHASH is offered where time-limited usernames are taken", () => {
  const { punch } = createBench({ authSecret: "secret" });
  const nonce = findAttribute(readAnswer(replyOf(punch(viewer, punchRequest()))).message, types.nonce);
  assert.match(Buffer.from(nonce ?? "").toString(), /^obMatJos2AAAB/);
});

test("with credentials that prove it: success, signed, with address, lifetime and components", () => {
  const { answer, bench } = answerTo({ component: 2 });
  assert.equal(answer?.code, 200);
  assert.deepEqual(answer?.mapped, viewer);
  assert.equal(answer?.lifetime, 30);
  assert.equal(answer?.components, 4);
  assert.equal(answer?.publisherLive, false);
  assert.ok(answer && verifyMessageIntegritySha256(answer.message, bindingKey));
  assert.ok(answer && verifyFingerprint(answer.message));
  assert.deepEqual(
    [...bench.core.holes.values()].map(({ component }) => component),
    [2],
  );
});

test("an IPv6 viewer is told its IPv6 address", () => {
  const from = { address: "2001:db8::7", port: 40_000 };
  assert.deepEqual(createBench().join(from).mapped, from);
});

test("a live publisher is told to viewers", () => {
  const bench = createBench();
  bench.ingest(host(9));
  assert.equal(bench.join(viewer).publisherLive, true);
});

for (const missing of ["username", "realm", "nonce"] as const) {
  test(`integrity without ${missing.toUpperCase()}: 400`, () => {
    const { answer, refusal } = answerTo({ without: [types[missing]] });
    assert.equal(answer?.code, 400);
    assert.equal(answer?.challenge, undefined);
    assert.equal(refusal, "credentials-incomplete");
  });
}

test("a signed request without the punch attribute: 400", () => {
  const { answer, refusal } = answerTo({ without: [types.punch] });
  assert.equal(answer?.code, 400);
  assert.equal(refusal, "punch-attribute");
});

test("a wrong key or an unknown user: 401 with a fresh challenge", () => {
  for (const [fields, reason] of [
    [{ key: "wrong-key-of-live" }, "wrong-key"],
    [{ key: publishKey }, "wrong-key"],
    [{ role: "publisher" }, "wrong-key"],
    [{ username: "other" }, "unknown-username"],
    [{ username: "1999999999:live" }, "unknown-username"],
  ] as const) {
    const { answer, refusal, bench } = answerTo(fields);
    assert.equal(answer?.code, 401, reason);
    assert.equal(refusal, reason);
    assert.ok(answer?.challenge);
    assert.equal(bench.core.holes.count(), 0);
  }
});

test("the order of RFC 8489 §9.2.4: a wrong key is told before a stale nonce", () => {
  const bench = createBench();
  const challenge = bench.challenge(viewer);
  const late = 120_000;
  assert.equal(readAnswer(replyOf(bench.punch(viewer, punchRequest({ challenge, key: "wrong-key" }), late))).code, 401);
  const stale = readAnswer(replyOf(bench.punch(viewer, punchRequest({ challenge }), late)));
  assert.equal(stale.code, 438);
  assert.ok(stale.challenge);
  const again = punchRequest({ challenge: stale.challenge });
  assert.equal(readAnswer(replyOf(bench.punch(viewer, again, late))).code, 200);
});

test("a nonce from another address or port: 438, and no hole", () => {
  for (const from of [host(2), host(1, 5001)]) {
    const bench = createBench();
    const request = punchRequest({ challenge: bench.challenge(viewer) });
    assert.equal(readAnswer(replyOf(bench.punch(from, request))).code, 438);
    assert.equal(bench.core.holes.count(), 0);
  }
});

test("an unknown comprehension-required attribute: 420 that names it, signed; an optional one is ignored", () => {
  const { answer, refusal, bench } = answerTo({ extra: [{ type: 0x7abc, value: Uint8Array.of(1) }] });
  assert.equal(answer?.code, 420);
  assert.equal(refusal, "unknown-attribute");
  const list = decodeUnknownAttributes(findAttribute(answer.message, types.unknownAttributes) ?? new Uint8Array());
  assert.deepEqual(list.ok && list.value, [0x7abc]);
  assert.ok(verifyMessageIntegritySha256(answer.message, bindingKey));
  assert.equal(bench.core.holes.count(), 0);
  assert.equal(answerTo({ extra: [{ type: 0xcabc, value: Uint8Array.of(1) }] }).answer?.code, 200);
});

test("a limit: 486, signed", () => {
  const { answer, refusal } = answerTo({}, { limits: limitsWith({ holesTotal: 0 }) });
  assert.equal(answer?.code, 486);
  assert.equal(refusal, "holes-total");
  assert.ok(verifyMessageIntegritySha256(answer.message, bindingKey));
});

test("a component that the stream does not have: 400", () => {
  const { answer, refusal } = answerTo({ component: 4 });
  assert.equal(answer?.code, 400);
  assert.equal(refusal, "no-such-component");
});

/** A signed request the way RFC 5389 has it: SHA-1, an MD5 key, no password algorithms. */
const rfc5389: RequestFields = {
  algorithm: "sha1",
  keyAlgorithm: "MD5",
  without: [types.passwordAlgorithm, types.passwordAlgorithms],
};

test("a client of RFC 5389 gets in, and is answered with SHA-1", () => {
  const { answer } = answerTo(rfc5389);
  assert.equal(answer?.code, 200);
  assert.ok(verifyMessageIntegrity(answer.message, longTermKey("MD5", "live", "punchcast", viewKey)));
});

test("password algorithms that are not what was offered: 400", () => {
  const bench = createBench();
  const challenge = bench.challenge(viewer);
  const parameters = new Uint8Array();
  const weaker = encodePasswordAlgorithms([{ algorithm: "MD5", parameters }]);
  const unknown = { type: types.passwordAlgorithm, value: Uint8Array.of(0, 9, 0, 0) };
  for (const fields of [
    { challenge: { ...challenge, algorithms: weaker }, keyAlgorithm: "MD5" },
    { challenge, without: [types.passwordAlgorithm] },
    { challenge, without: [types.passwordAlgorithms] },
    { challenge, without: [types.passwordAlgorithm], extra: [unknown] },
  ] satisfies RequestFields[]) {
    const decision = bench.punch(viewer, punchRequest(fields));
    assert.equal(refusalOf(decision), "password-algorithms");
    assert.equal(readAnswer(replyOf(decision)).code, 400);
  }
});

test("a nonce whose offers were stripped on the way is not ours: 438, not a weaker key", () => {
  const bench = createBench();
  const { nonce, algorithms } = bench.challenge(viewer);
  const token = Buffer.from(nonce).toString().slice("obMatJos2AAAD".length);
  const stripped = encodeNonce({ passwordAlgorithms: false, usernameAnonymity: false }, token);
  for (const forged of [stripped, Buffer.from(token)]) {
    const decision = bench.punch(viewer, punchRequest({ ...rfc5389, challenge: { nonce: forged, algorithms } }));
    assert.equal(refusalOf(decision), "stale-nonce");
    assert.equal(bench.core.holes.count(), 0);
  }
});

test("USERHASH stands for the stream's name", () => {
  const hash = (name: string) => [{ type: types.userhash, value: userHash(name, "punchcast") }];
  assert.equal(answerTo({ without: [types.username], extra: hash("live") }).answer?.code, 200);
  assert.equal(answerTo({ without: [types.username], extra: hash("other") }).answer?.code, 401);
});

test("time-limited credentials open holes until they end", () => {
  const options = { authSecret: "secret" };
  const expiry = wallStartMs / 1000 + 60;
  for (const role of ["viewer", "publisher"] as const) {
    const username = timeLimitedUsername("live", role, expiry);
    const fields = { role, username, key: timeLimitedPassword("secret", username) };
    const bench = createBench(options);
    assert.equal(bench.join(viewer, fields, 59_999).code, 200, role);
    const late = punchRequest({ ...fields, challenge: bench.challenge(viewer, 60_000) });
    assert.equal(refusalOf(bench.punch(viewer, late, 60_000)), "expired-credential");
  }
  const forged = timeLimitedUsername("live", "viewer", expiry);
  assert.equal(answerTo({ username: forged, key: timeLimitedPassword("guess", forged) }, options).refusal, "wrong-key");
  assert.equal(
    typeof findGrant(forged, "viewer", { keysOf: () => makeStream(), authSecret: "secret", wallNowMs: 0 }),
    "object",
  );
});

test("a wrong FINGERPRINT, a response, an indication, an unknown method: no answer at all", () => {
  const bench = createBench();
  const broken = punchRequest();
  broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
  const message = (fields: Partial<MessageFields>): Uint8Array =>
    encodeMessage({
      messageClass: "request",
      method: 1,
      transactionId: freshTransactionId(),
      attributes: [{ type: types.software, value: new Uint8Array(200) }],
      ...fields,
    });
  for (const [bytes, reason] of [
    [broken, "stun-wrong-fingerprint"],
    [message({ messageClass: "indication" }), "stun-not-a-request"],
    [message({ messageClass: "success" }), "stun-not-a-request"],
    [message({ messageClass: "error" }), "stun-not-a-request"],
    [message({ method: 3 }), "stun-unknown-method"],
    [punchRequest().subarray(0, 40), "stun-bad-length"],
  ] as const) {
    assert.deepEqual(bench.punch(viewer, bytes).verdict, { kind: "handled", isPunch: true, refusal: reason });
  }
});

test("a request smaller than its answer gets none", () => {
  const { decision } = { decision: createBench().punch(viewer, punchRequest({ padding: 0 })) };
  assert.deepEqual(decision.verdict, { kind: "handled", isPunch: true, refusal: "request-too-small" });
});

test("unproven requests are limited by source prefix; proven ones are not", () => {
  const bench = createBench({ limits: limitsWith({ requestsPerSecond: 1 }) });
  const challenge = bench.challenge(viewer);
  const other = createBench({ limits: limitsWith({ requestsPerSecond: 1 }), seed: 1 });
  for (let i = 0; i < 3; i += 1) assert.ok(replyOf(bench.punch(host(2 + i), punchRequest())));
  assert.equal(refusalOf(bench.punch(host(200), punchRequest())), "rate-limited");
  assert.ok(replyOf(bench.punch({ address: "203.0.114.1", port: 1 }, punchRequest())), "another prefix");
  for (let i = 0; i < 20; i += 1)
    assert.equal(readAnswer(replyOf(bench.punch(viewer, punchRequest({ challenge })))).code, 200);
  assert.ok(replyOf(bench.punch(host(200), punchRequest(), 1_000)), "a second later there is one more");
  const ipv6 = (last: string) => ({ address: `2001:db8:0:1${last}::1`, port: 1 });
  for (let i = 0; i < 4; i += 1) assert.ok(replyOf(other.punch(ipv6("0"), punchRequest())));
  assert.equal(refusalOf(other.punch(ipv6("f"), punchRequest())), "rate-limited", "one /56");
});
