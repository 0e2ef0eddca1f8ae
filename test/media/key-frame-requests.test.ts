import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createKeyFrameRequests, type KeyFrameRequest } from "../../src/media/key-frame-requests.ts";

const options = { senderSsrc: () => 1, mediaSsrc: () => 7 };
const pli = (mediaSsrc = 7): KeyFrameRequest => ({ type: "pli", senderSsrc: 99, mediaSsrc });
const fir = (sequenceNumber: number, ssrc = 7): KeyFrameRequest => ({
  ...{ type: "fir", senderSsrc: 99, mediaSsrc: 0, requests: [{ ssrc, sequenceNumber }] },
});

test("the first goes at once, those that follow within a second as one after it", () => {
  const requests = createKeyFrameRequests(options);
  assert.equal(requests.wakeAt(), Number.POSITIVE_INFINITY);
  requests.onRequest("a", pli());
  assert.deepEqual(requests.take(0), { type: "pli", senderSsrc: 1, mediaSsrc: 7 });
  for (const viewer of ["a", "b", "c"]) requests.onRequest(viewer, pli());
  assert.equal(requests.take(999), undefined);
  assert.equal(requests.wakeAt(), 1_000);
  assert.equal(requests.take(1_000)?.type, "pli");
  assert.equal(requests.take(5_000), undefined);
});

test("a key frame serves all who asked before it", () => {
  const requests = createKeyFrameRequests(options);
  requests.onRequest("a", pli());
  requests.take(0);
  requests.onRequest("b", pli());
  requests.onKeyFrame();
  assert.equal(requests.take(1_000), undefined);
});

test("a FIR is sent as one, numbered anew; the same number again is the same command", () => {
  const requests = createKeyFrameRequests(options);
  const expected = (sequenceNumber: number): KeyFrameRequest => ({
    ...{ type: "fir", senderSsrc: 1, mediaSsrc: 0, requests: [{ ssrc: 7, sequenceNumber }] },
  });
  requests.onRequest("a", pli());
  requests.onRequest("a", fir(200));
  assert.deepEqual(requests.take(0), expected(1));
  requests.onRequest("a", fir(200));
  assert.equal(requests.take(1_000), undefined);
  requests.onRequest("b", fir(200));
  requests.onRequest("b", pli());
  assert.deepEqual(requests.take(1_000), expected(2));
});

test("requests about other sources are ignored, all of them before the source is known", () => {
  const requests = createKeyFrameRequests(options);
  requests.onRequest("a", pli(8));
  requests.onRequest("a", fir(1, 8));
  assert.equal(requests.take(0), undefined);
  const early = createKeyFrameRequests({ ...options, mediaSsrc: () => undefined });
  early.onRequest("a", pli());
  assert.equal(early.take(0), undefined);
});

test("at most one a second, whoever asks how", () => {
  const step = fc.record({ pauseMs: fc.nat(700), viewer: fc.constantFrom("a", "b", "c"), number: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const requests = createKeyFrameRequests(options);
      let [now, last] = [0, -1_000];
      for (const { pauseMs, viewer, number } of steps) {
        now += pauseMs;
        requests.onRequest(viewer, number % 2 === 0 ? pli() : fir(number));
        if (requests.take(now) === undefined) continue;
        assert.ok(now - last >= 1_000);
        last = now;
      }
    }),
  );
});
