import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PunchcastError } from "../../../src/core/errors.ts";
import { readEventStream, type StreamedEvent } from "../../../src/http/client/event-stream.ts";
import { createRelayClient } from "../../../src/http/client/relay-client.ts";
import { join } from "../../server/support.ts";
import { adminToken, withApi } from "../api/support.ts";

async function* inChunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string, size: number): Promise<StreamedEvent[]> {
  const events: StreamedEvent[] = [];
  for await (const event of readEventStream(inChunks(text, size))) events.push(event);
  return events;
}

test("events are read whatever pieces they come in", async () => {
  const text = ': connected\n\nevent: a\ndata: {"x":"ä: b"}\n\n: alive\n\ndata: one\ndata: two\n\nevent: cut\ndata: o';
  const expected = [
    { event: "a", data: '{"x":"ä: b"}' },
    { event: "message", data: "one\ntwo" },
  ];
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (size) => {
      assert.deepEqual(await read(text, size), expected);
    }),
    { numRuns: 30 },
  );
  assert.deepEqual(await read(text.replaceAll("\n", "\r\n"), 3), expected);
});

test("the client does what the API does, and throws what it refuses with", () =>
  withApi(async ({ url, relay }) => {
    const client = createRelayClient({ url: `${url}/`, token: adminToken });
    assert.equal((await client.readRelay()).version, "1.2.3");
    assert.equal((await client.createStream({ name: "cam" })).name, "cam");
    assert.equal((await client.changeStream("cam", { takeover: true })).takeover, true);
    assert.deepEqual(
      (await client.listStreams()).map(({ name }) => name),
      ["live", "cam"],
    );
    const before = await client.readKeys("cam");
    const after = await client.rotateKeys("cam", "publish");
    assert.ok(before.viewKey === after.viewKey && before.publishKey !== after.publishKey);
    assert.match((await client.mintKey("cam", { role: "publish" })).username, /:cam:publish$/);
    assert.match(await client.readMetrics(), /^punchcast_streams 2$/m);
    await client.deleteStream("cam");
    const code = (wanted: string) => (error: unknown) => error instanceof PunchcastError && error.code === wanted;
    await assert.rejects(client.readStream("cam"), code("NO_SUCH_STREAM"));
    await assert.rejects(client.deleteStream("live"), code("STREAM_CONFIGURED"));
    await assert.rejects(client.kickViewer("live", "a/b"), code("NO_SUCH_VIEWER"));
    await assert.rejects(createRelayClient({ url, token: "wrong" }).listStreams(), code("RELAY_REFUSED"));
    await assert.rejects(createRelayClient({ url: `${url}/x`, token: "t" }).listStreams(), code("BAD_URL"));

    const ending = new AbortController();
    const begun = Promise.withResolvers<void>();
    const viewers: string[] = [];
    const following = (async () => {
      for await (const event of client.events({ signal: ending.signal })) {
        begun.resolve();
        if (event.event === "hole-opened") viewers.push(event.mapped);
        if (event.event === "hole-opened") ending.abort();
      }
    })();
    // The relay tells its figures 20 times a second here.
    await begun.promise;
    const viewer = await join(relay.punchAt());
    await following;
    assert.deepEqual(viewers, [`127.0.0.1:${viewer.local.port}`]);
    const [listed] = await client.listViewers("live");
    await client.kickViewer("live", listed?.id ?? "");
    assert.deepEqual(await client.listViewers("live"), []);
    await viewer.close();
  }));
