import assert from "node:assert/strict";
import { test } from "node:test";
import { publishSdp } from "../../src/send/publish-sdp.ts";
import { withCleanup } from "../server/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { startHttpStub } from "../support/http-stub.ts";
import { until } from "../support/until.ts";

test("puts the SDP, puts it again for relays that were restarted, and tells what changed only", () =>
  withCleanup(async (use) => {
    const refused = { status: 400, body: JSON.stringify({ message: "Too many tracks." }) };
    const taken = { status: 200, body: "{}" };
    const stub = use(await startHttpStub((_, count) => (count <= 2 ? refused : taken)));
    const clock = createFakeClock();
    const told: string[] = [];
    const stop = publishSdp({
      ...{
        url: { host: "127.0.0.1", port: stub.port, stream: "live", key: "the-key", expires: 17 },
        sdp: "v=0",
        clock,
      },
      onPublished: () => told.push("published"),
      onWarning: (message) => told.push(message),
    });
    use({ close: async () => stop() });
    for (let count = 1; count <= 4; count += 1) {
      await until(`request ${count}`, () => {
        clock.advance(count > 1 && stub.asked.length < count ? 5_000 : 0);
        return stub.asked.length >= count;
      });
    }
    assert.equal(told.length, 2);
    assert.match(told[0] ?? "", /Too many tracks.*--sdp/);
    assert.equal(told[1], "published");
    const [first] = stub.asked;
    assert.deepEqual([first?.method, first?.url, first?.body.toString()], ["PUT", "/streams/live.sdp", "v=0"]);
    assert.match(first?.authorization ?? "", /^Punchcast 17:live:publish:\d+:[0-9a-f]{64}$/);
    stop();
    const before = stub.asked.length;
    clock.advance(60_000);
    await fetch(`http://127.0.0.1:${stub.port}/after`);
    assert.equal(stub.asked.length, before + 1);
  }));
