import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sdp } from "../../src/sdp/session.ts";
import { fetchSdp } from "../../src/watch/fetch-sdp.ts";
import { mp4boxLike } from "../sdp/examples.ts";
import { freePorts, withCleanup } from "../server/support.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { type StubAnswer, startHttpStub } from "../support/http-stub.ts";
import { until } from "../support/until.ts";

interface Fetching {
  readonly clock: FakeClock;
  readonly sdps: Sdp[];
  readonly missing: string[];
  close(): Promise<void>;
}

function start(port: number, http?: string): Fetching {
  const clock = createFakeClock();
  const sdps: Sdp[] = [];
  const missing: string[] = [];
  const target = { host: "127.0.0.1", port, stream: "live", key: "the-key", ...(http !== undefined && { http }) };
  const stop = fetchSdp({ target, clock, onSdp: (sdp) => sdps.push(sdp), onMissing: (text) => missing.push(text) });
  return { clock, sdps, missing, close: async () => stop() };
}

const unknown = (message: string): StubAnswer => ({ status: 404, body: JSON.stringify({ message }) });

test("asks every 2 s until the relay knows, and tells each reason once", () =>
  withCleanup(async (use) => {
    const answers = [
      unknown("Too early."),
      unknown("Too early."),
      unknown("Track 2."),
      { status: 200, body: mp4boxLike },
    ];
    const stub = use(await startHttpStub((_, count) => answers[count - 1] ?? unknown("?")));
    const fetching = use(start(stub.port));
    for (let asked = 1; asked <= 4; asked += 1) {
      await until(`request ${asked}`, () => stub.asked.length === asked);
      const told = Math.min(asked, 3) - (asked > 1 ? 1 : 0);
      await until("its answer", () => fetching.missing.length === told);
      // The next is due 2 s after the answer has been read, which takes the socket's own time.
      await until("the next", () => {
        fetching.clock.advance(asked < 4 ? 500 : 0);
        return stub.asked.length > asked || fetching.sdps.length === 1;
      });
    }
    assert.deepEqual(fetching.missing, ["Too early.", "Track 2."]);
    assert.deepEqual(
      fetching.sdps.map(({ name }) => name),
      ["livesession"],
    );
    fetching.clock.advance(60_000);
    await fetch(`http://127.0.0.1:${stub.port}/after`);
    assert.equal(stub.asked.length, 5);
    assert.equal(stub.asked[0]?.url, "/streams/live.sdp");
  }));

for (const [name, answer, sentence] of [
  ["a web page instead of a relay", { status: 200, body: "<html>" }, /something else than an SDP.*--sdp FILE/],
  ["a proxy without a relay behind it", { status: 502, body: "Bad Gateway" }, /answers 502.*--http/],
] as const) {
  test(`${name} is told, with the cure`, () =>
    withCleanup(async (use) => {
      const stub = use(await startHttpStub(() => answer));
      const fetching = use(start(stub.port));
      await until("the sentence", () => fetching.missing.length > 0);
      assert.match(fetching.missing[0] ?? "", sentence);
      assert.deepEqual(fetching.sdps, []);
    }));
}

test("a relay without HTTP is told, with the cure", () =>
  withCleanup(async (use) => {
    const fetching = use(start(await freePorts(1)));
    await until("the sentence", () => fetching.missing.length > 0);
    assert.match(fetching.missing[0] ?? "", /nothing listens on that TCP port.*--sdp FILE/);
    assert.match(use(start(1, "none")).missing[0] ?? "", /no HTTP port/);
  }));

test("stopped, it asks and tells nothing more", () =>
  withCleanup(async (use) => {
    const stub = use(await startHttpStub(() => unknown("Too early.")));
    const fetching = start(stub.port);
    await until("the sentence", () => fetching.missing.length > 0);
    await fetching.close();
    fetching.clock.advance(60_000);
    // What was asked before this would have come before it.
    await fetch(`http://127.0.0.1:${stub.port}/after`);
    assert.deepEqual(
      stub.asked.map(({ url }) => url),
      ["/streams/live.sdp", "/after"],
    );
  }));
