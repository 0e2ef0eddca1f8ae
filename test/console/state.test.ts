import assert from "node:assert/strict";
import { test } from "node:test";
import { formProblem, problemFrom } from "../../src/console/model/problem.ts";
import { describeReason } from "../../src/console/model/reasons.ts";
import { type ConsoleState, initialState, reduce } from "../../src/console/model/state.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import type { ApiEvent, RelayInfo } from "../../src/http/api/shapes.ts";
import { figures, stream } from "./support.ts";

const relay: RelayInfo = {
  ...{ version: "1", plane: "userspace", punch: "relay.example:9000", punchPort: 9000, uptimeMs: 5_000, streams: 1 },
  ...{ mintsKeys: false, refused: {}, punches: {}, sendErrors: 0 },
};
const time = "2026-01-01T00:00:06Z";
const signedIn = reduce(initialState, { type: "read", relay, streams: [stream({ stats: figures({ packets: 5 }) })] });

function after(state: ConsoleState, ...events: readonly ApiEvent[]): ConsoleState {
  return events.reduce((before, event) => reduce(before, { type: "event", event: { ...event, time } }), state);
}

function stats(packets: number, uptimeMs: number): ApiEvent {
  const streams = [{ name: "live", ...figures({ packets }) }];
  return { event: "stats", uptimeMs, streams, refused: { "wrong-key": 2 }, punches: { granted: 1 }, sendErrors: 0 };
}

test("figures change the streams that are known, and make their histories", () => {
  const state = after(signedIn, stats(130, 6_000), stats(255, 7_000));
  assert.deepEqual(
    state.histories.get("live")?.samples.map(({ inBits }) => inBits),
    [1_000_000, 1_000_000],
  );
  assert.equal(state.streams[0]?.stats.in[0]?.packets, 255);
  assert.deepEqual([state.relay?.uptimeMs, state.relay?.refused], [7_000, { "wrong-key": 2 }]);
  // What is read anew keeps what was; a stream that is gone takes its history along.
  const again = reduce(state, { type: "read", relay, streams: [stream(), stream({ name: "new" })] });
  assert.equal(again.histories.get("live")?.samples.length, 2);
  assert.deepEqual([...reduce(again, { type: "read", relay, streams: [] }).histories.keys()], []);
});

test("what happens is listed newest first, once for each viewer, and within bounds", () => {
  const hole = { hole: "h", stream: "live", by: "key", mapped: "203.0.113.9:4000", relay: "r" } as const;
  const came = (component: number): ApiEvent => ({ event: "hole-opened", ...hole, component });
  const left: ApiEvent = { event: "hole-closed", ...hole, component: 0, reason: "expired" };
  const state = after(signedIn, came(0), came(1), left, { event: "stream-changed", stream: "live" });
  assert.deepEqual(
    state.activity.map(({ text }) => text),
    [
      "The stream was changed",
      "The viewer at 203.0.113.9:4000 was not heard of for 30 s",
      "A viewer came, at 203.0.113.9:4000",
    ],
  );
  assert.equal(after(signedIn, ...Array.from({ length: 200 }, () => came(0))).activity.length, 50);
  assert.equal(new Set(after(signedIn, came(0), left).activity.map(({ id }) => id)).size, 2);
});

test("a relay that is lost leaves what it told; one that never answered has told nothing", () => {
  const problem = { kind: "unreachable", message: "m" } as const;
  const lost = reduce(signedIn, { type: "failed", problem });
  assert.deepEqual([lost.link, lost.problem, lost.streams.length], ["lost", problem, 1]);
  assert.equal(reduce(initialState, { type: "failed", problem }).link, "connecting");
  const back = reduce(lost, { type: "read", relay, streams: [] });
  assert.deepEqual([back.link, back.problem], ["live", undefined]);
});

test("a refusal is known by its status", () => {
  const kindOf = (status: number | undefined): string =>
    problemFrom(new PunchcastError("RELAY_REFUSED", "Why.", status === undefined ? undefined : { status })).kind;
  assert.deepEqual([401, 403, 404, 429, 500, undefined].map(kindOf), [
    ...["wrong-token", "refused", "no-api", "wait", "unreachable", "unreachable"],
  ]);
  const off = problemFrom(new PunchcastError("RELAY_REFUSED", "The API is off: do this.", { status: 403 }));
  assert.equal(off.message, "The API is off: do this.");
});

test("a form's problem is shown at the field that the relay names", () => {
  const fields = ["name", "ingestPort", "from"];
  const of = (message: string): unknown => formProblem(new Error(message), fields);
  assert.deepEqual(of("The request does not fit: body/name takes up to 64 letters."), {
    field: "name",
    message: "Takes up to 64 letters.",
  });
  assert.deepEqual(of("The request does not fit: body/from/0 is no address block."), {
    field: "from",
    message: "Is no address block.",
  });
  const exists = new PunchcastError("STREAM_EXISTS", "Stream 'cam' is there already.");
  assert.deepEqual(formProblem(exists, fields), { field: "name", message: exists.message });
  const taken = "Port 9099 is taken (--ingest-port).";
  assert.deepEqual(of(taken), { field: "ingestPort", message: taken });
  assert.deepEqual(of("Something else."), { field: undefined, message: "Something else." });
});

test("reasons that people meet have words; others speak for themselves", () => {
  assert.equal(describeReason("wrong-key"), "Wrong keys");
  assert.equal(describeReason("stun-not-a-request"), "Stun not a request");
});
