import assert from "node:assert/strict";
import { test } from "node:test";
import { createSessions, nameOf, type Sessions } from "../../src/webrtc/sessions.ts";

const limits = { perAddress: 2, perStream: 3, total: 4 };
const path = { mapped: "203.0.113.5:40000", relay: "10.10.10.197:9001" };

function add(sessions: Sessions, id: string, stream = "live", source = "203.0.113.5"): void {
  const role = id.startsWith("p") ? "publisher" : "viewer";
  sessions.add({ id, stream, role, feed: 1, asker: { source, isGood: () => true } });
}

test("sessions are bounded by address, stream and in all, from the offer on", () => {
  const sessions = createSessions(limits);
  assert.equal(sessions.refusal("live", "a"), undefined);
  add(sessions, "1", "live", "a");
  add(sessions, "2", "live", "a");
  assert.match(sessions.refusal("live", "a") ?? "", /2 browsers of your address/);
  add(sessions, "3", "live", "b");
  assert.match(sessions.refusal("live", "b") ?? "", /3 browsers are connected to this stream/);
  assert.equal(sessions.refusal("other", "b"), undefined);
  add(sessions, "4", "other", "b");
  assert.match(sessions.refusal("other", "c") ?? "", /^4 browsers are connected already/);
  sessions.remove("1");
  assert.equal(sessions.refusal("other", "c"), undefined);
});

test("those connected are listed under names that end no session, and what they were sent stays counted", () => {
  const sessions = createSessions(limits);
  const id = "0123456789abcdef0123456789abcdef";
  add(sessions, id);
  add(sessions, "pub");
  assert.deepEqual(sessions.viewers(undefined, 0), []);
  for (const each of [id, "pub", "gone"]) sessions.connected(each, 1_000);
  const leg = (component: number, lossFraction: number): { component: number; sent: never; report: never } =>
    ({
      component,
      sent: { packets: 10, bytes: 1_000, drops: 1 },
      report: { lossFraction, lost: 1, jitterMs: 1, rttMs: 1 },
    }) as never;
  sessions.take([
    { session: id, silentMs: 7, path, legs: [leg(0, 0.1), leg(2, 0.3)] },
    { session: "gone", silentMs: 0, legs: [leg(0, 1)] },
  ]);
  const [viewer, ...others] = sessions.viewers("live", 3_000);
  assert.equal(others.length, 0);
  assert.deepEqual([viewer?.id, viewer?.watchingMs, viewer?.path, viewer?.legs.length], [nameOf(id), 2_000, path, 2]);
  assert.ok(!JSON.stringify(viewer).includes(id));
  assert.deepEqual(sessions.viewers("other", 0), []);
  const sent = { packets: 20, bytes: 2_000, drops: 2 };
  assert.deepEqual(sessions.counts("live"), { viewers: 1, publishers: 1, sent, worstLossFraction: 0.3 });
  sessions.remove(id);
  assert.deepEqual(sessions.counts("live"), { viewers: 0, publishers: 1, sent, worstLossFraction: 0 });
  assert.equal(sessions.counts("other").sent.packets, 0);
});
