import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCidr } from "../../src/core/cidr.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import { encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { rtpPacket } from "../relay/support.ts";
import { until } from "../support/until.ts";
import { freePorts, join, openPeer, startRelay, streamOptions, withCleanup } from "./support.ts";

const code = (wanted: string) => (error: unknown) => error instanceof PunchcastError && error.code === wanted;
const two = (ingestPort: number | undefined) =>
  streamOptions(ingestPort, { name: "two", viewKey: "view-two", publishKey: "publish-two", components: 2 });
const asTwo = { username: "two", password: "view-two" };

for (const engine of ["dgram", undefined] as const) {
  test(`${engine ?? "the default engine"}: a stream that is added while the relay runs is published, watched, and gone when removed`, () =>
    withCleanup(async (use) => {
      const relay = use(await startRelay(engine === undefined ? {} : { engine }));
      const base = await freePorts(2);
      const added = await relay.addStream(two(base));
      assert.deepEqual(added.ingestPorts, [base, base + 1]);
      assert.deepEqual(relay.stream("two")?.components, 2);
      const viewer = use(await join(relay.punchAt(), asTwo));
      const sender = use(await openPeer());
      sender.send(rtpPacket(1), { address: "127.0.0.1", port: base });
      await until("a packet", () => viewer.media.length === 1);
      const [listed] = await relay.viewers("two");
      assert.equal(listed?.holes[0]?.sent.packets, 1);
      assert.deepEqual(await relay.viewers("live"), []);

      await relay.removeStream("two");
      assert.equal(relay.stream("two"), undefined);
      const ends = relay.events.flatMap((event) => (event.event === "hole-closed" ? [event.reason] : []));
      assert.deepEqual(ends, ["stream-removed"]);
      assert.ok(relay.events.some((event) => event.event === "publisher" && event.state === "idle"));
      use(await openPeer("127.0.0.1", base));
      const again = use(await join(relay.punchAt(), asTwo));
      assert.equal(again.punches[0]?.type, "refused");
      const told = relay.events.flatMap((event) => (event.event.startsWith("stream-") ? [event.event] : []));
      assert.deepEqual(told, ["stream-added", "stream-removed"]);
    }));
}

test("what cannot be added leaves nothing behind", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    await assert.rejects(relay.addStream(streamOptions(undefined)), code("STREAM_EXISTS"));
    await assert.rejects(relay.addStream(two(relay.ingestPort)), code("BAD_OPTION"));
    await assert.rejects(relay.addStream(two(65_535)), code("BAD_OPTION"));
    const base = await freePorts(2);
    const squatter = await openPeer("127.0.0.1", base + 1);
    await assert.rejects(relay.addStream(two(base)), code("PORT_IN_USE"));
    assert.deepEqual(
      relay.streams.map(({ name }) => name),
      ["live"],
    );
    await squatter.close();
    await relay.addStream(two(base));
    await assert.rejects(relay.removeStream("three"), code("NO_SUCH_STREAM"));
    await assert.rejects(relay.changeStream("three", {}), code("NO_SUCH_STREAM"));
  }));

test("another view key refuses the old one; other sources end a publisher that they leave out", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const sender = use(await openPeer());
    sender.send(rtpPacket(1), { address: "127.0.0.1", port: relay.ingestPort });
    await until("a publisher", () => relay.events.some((event) => event.event === "publisher"));
    await relay.changeStream("live", { viewKey: "another-key", from: [parseCidr("192.0.2.0/24") ?? assert.fail()] });
    const last = relay.events.findLast((event) => event.event === "publisher");
    assert.equal(last?.event === "publisher" && last.state, "idle");
    // The first may still meet the flow that is being taken out of the media thread.
    await until("a refusal", () => {
      sender.send(rtpPacket(2), { address: "127.0.0.1", port: relay.ingestPort });
      return (relay.stats().refused["source-not-allowed"] ?? 0) > 0;
    });
    const old = use(await join(relay.punchAt()));
    assert.equal(old.punches[0]?.type, "refused");
    const fresh = use(await join(relay.punchAt(), { password: "another-key" }));
    assert.equal(fresh.punches[0]?.type, "granted");
    assert.match(relay.streams[0]?.watchUrl ?? "", /key=another-key/);
  }));

test("other ports open the stream anew; if they are taken, it is as it was", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const base = await freePorts(2);
    const squatter = use(await openPeer("127.0.0.1", base));
    await assert.rejects(relay.changeStream("live", { ingestPort: base, components: 2 }), code("PORT_IN_USE"));
    const viewer = use(await join(relay.punchAt()));
    const sender = use(await openPeer());
    sender.send(rtpPacket(1), { address: "127.0.0.1", port: relay.ingestPort });
    await until("a packet as before", () => viewer.media.length === 1);
    await squatter.close();
    const changed = await relay.changeStream("live", { ingestPort: base, components: 2 });
    assert.deepEqual(changed.ingestPorts, [base, base + 1]);
    const again = use(await join(relay.punchAt()));
    sender.send(rtpPacket(2), { address: "127.0.0.1", port: base });
    await until("a packet at the new port", () => again.media.length === 1);
  }));

test("a viewer that is kicked is told so and stays out; others stay", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const kicked = use(await join(relay.punchAt(), { session: "1111111111111111" }));
    const other = use(await join(relay.punchAt(), { session: "2222222222222222" }));
    kicked.send(encodeRtcp([]));
    assert.equal(relay.kick("live", "3333333333333333"), false);
    assert.equal(relay.kick("live", "1111111111111111"), true);
    assert.equal(relay.kick("live", "1111111111111111"), false);
    const again = use(await join(relay.punchAt(), { session: "1111111111111111" }));
    const [answer] = again.punches;
    assert.ok(answer?.type === "refused" && answer.code === 403 && answer.final);
    const ids = (await relay.viewers()).map(({ id, by }) => [id, by]);
    assert.deepEqual(ids, [["2222222222222222", "key"]]);
    const sender = use(await openPeer());
    sender.send(rtpPacket(1), { address: "127.0.0.1", port: relay.ingestPort });
    await until("a packet", () => other.media.length === 1);
    assert.equal(kicked.media.length, 0);
    assert.equal((await relay.readStats()).punches.granted, 2);
  }));

test("the bare punch's stream is the one that is there longest; bare viewers are listed and kicked by their address", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ open: { from: [] } }));
    await relay.addStream(two(undefined));
    const viewer = use(await openPeer());
    viewer.send(Buffer.from("0"), relay.punchAt());
    await until("a hole", () => relay.events.some(({ event }) => event === "hole-opened"));
    const [listed] = await relay.viewers();
    assert.equal(listed?.id, `bare-0-127.0.0.1:${viewer.local.port}`);
    assert.equal(relay.kick("live", listed?.id ?? ""), true);
    viewer.send(Buffer.from("0"), relay.punchAt());
    await until("the refusal", () => relay.stats().punches.kicked === 1);
    await relay.removeStream("live");
    const next = use(await openPeer());
    next.send(Buffer.from("0"), relay.punchAt());
    await until("a hole", () => relay.events.some((event) => event.event === "hole-opened" && event.stream === "two"));
  }));
