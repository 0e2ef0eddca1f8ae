import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { formatEndpoint } from "../../src/core/address.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import { decodeRtp } from "../../src/rtp/header.ts";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { rtcpPacket, rtpPacket } from "../relay/support.ts";
import { publishKey, punchRequest, readAnswer, viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";
import { freePorts, join, openPeer, startRelay, streamOptions, withCleanup } from "./support.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
const needsIpv6 = { skip: hasIpv6 ? false : "this host has no ::1" };

test("media goes from the ingest port to the viewer, out of the punch port, unchanged", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const [viewer, sender] = [use(await join(relay.punchAt())), use(await openPeer())];
    const sent = Array.from({ length: 50 }, (_, i) => rtpPacket(i, 100 + i));
    for (const bytes of sent) sender.send(bytes, { address: "127.0.0.1", port: relay.ingestPort });
    await until("50 packets", () => viewer.media.length === 50);
    assert.deepEqual(
      viewer.media.map((bytes) => Uint8Array.from(bytes)),
      sent,
    );
    assert.equal(viewer.strangers(), 0, "the viewer's NAT lets in nothing but the punch port");
  }));

test("two streams on one relay keep to themselves", () =>
  withCleanup(async (use) => {
    const base = await freePorts(4);
    const two = { name: "two", viewKey: "view-two", components: 2 };
    const streams = [streamOptions(base, { components: 2 }), streamOptions(base + 2, two)];
    const relay = use(await startRelay({ streams }));
    const first = use(await join(relay.punchAt()));
    const second = use(await join(relay.punchAt(), { username: "two", password: "view-two", component: 1 }));
    const sender = use(await openPeer());
    sender.send(rtpPacket(1), { address: "127.0.0.1", port: base });
    sender.send(rtpPacket(2), { address: "127.0.0.1", port: base + 3 });
    await until("a packet each", () => first.media.length === 1 && second.media.length === 1);
    assert.equal(second.media[0]?.[3], 2);
    const granted = second.punches[0];
    assert.equal(granted?.type === "granted" && granted.components, 2);
  }));

test("a publisher with the key feeds through the punch port; one without is not heard", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ streams: [streamOptions(undefined)] }));
    assert.deepEqual(relay.streams[0]?.ingestPorts, []);
    const viewer = use(await join(relay.punchAt()));
    const publisher = use(await join(relay.punchAt(), { role: "publisher" }));
    const stranger = use(await openPeer());
    stranger.send(rtpPacket(1), relay.punchAt());
    publisher.send(rtpPacket(2));
    await until("a packet", () => viewer.media.length > 0);
    assert.deepEqual(
      viewer.media.map((bytes) => bytes[3]),
      [2],
    );
    await until("the refusal in the stats", () => (relay.stats().refused["unknown-source"] ?? 0) === 1);
  }));

test("a viewer's wish for a key frame reaches the publisher's RTCP port, out of the port that it sends to", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const rtcpIngest = { address: "127.0.0.1", port: relay.ingestPort + 1 };
    const [rtp, rtcp] = [use(await openPeer()), use(await openPeer())];
    rtp.send(rtpPacket(), { address: "127.0.0.1", port: relay.ingestPort });
    rtcp.send(rtcpPacket, rtcpIngest);
    const viewer = use(await join(relay.punchAt(), { component: 1 }));
    const media = decodeRtp(rtpPacket());
    assert.ok(media.ok);
    const mediaSsrc = media.value.ssrc;
    viewer.send(encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc }]));
    await until("the request", () => rtcp.got.length === 1);
    assert.deepEqual(rtcp.got[0]?.from, rtcpIngest);
    const asked = decodeRtcp(rtcp.got[0]?.bytes ?? new Uint8Array());
    assert.ok(asked.ok && asked.value[0]?.type === "pli" && asked.value[0].mediaSsrc === mediaSsrc);
    assert.equal(rtp.got.length, 0);
  }));

for (const [viewerAt, publisherAt] of [
  ["::1", "127.0.0.1"],
  ["127.0.0.1", "::1"],
] as const) {
  test(`a viewer at ${viewerAt} watches a publisher at ${publisherAt}`, needsIpv6, () =>
    withCleanup(async (use) => {
      const relay = use(await startRelay({ listen: undefined } as object));
      const viewer = use(await join(relay.punchAt(viewerAt)));
      const sender = use(await openPeer(publisherAt));
      sender.send(rtpPacket(7), { address: publisherAt, port: relay.ingestPort });
      await until("the packet", () => viewer.media.length === 1);
      const granted = viewer.punches[0];
      assert.ok(granted?.type === "granted" && granted.mapped.startsWith(viewerAt.includes(":") ? "[" : "127"));
    }),
  );
}

test("on a host with several addresses, answer and media leave from the one that was punched", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ listen: undefined } as object));
    const bound = relay.events.find((event) => event.event === "listening");
    assert.ok(bound?.event === "listening" && bound.addresses.length > 0);
    const peers = [];
    for (const text of bound.addresses) {
      const address = text.slice(0, text.lastIndexOf(":")).replace(/[[\]]/g, "");
      // Bound to the wildcard, as a viewer's socket is: where the answer comes from is the relay's doing alone.
      const peer = use(await openPeer(address.includes(":") ? "::" : "0.0.0.0"));
      const to = relay.punchAt(address);
      peer.send(punchRequest(), to);
      await until(`a challenge from ${text}`, () => peer.got.length === 1);
      const { challenge } = readAnswer(peer.got[0]?.bytes);
      assert.ok(challenge);
      peer.send(
        punchRequest({ challenge, session: Buffer.from(text).toString("hex").slice(0, 16).padEnd(16, "0") }),
        to,
      );
      await until(`a grant from ${text}`, () => peer.got.length === 2);
      peers.push({ peer, to });
    }
    const sender = use(await openPeer());
    sender.send(rtpPacket(), { address: "127.0.0.1", port: relay.ingestPort });
    for (const { peer, to } of peers) {
      await until(`media from ${formatEndpoint(to)}`, () => peer.got.length === 3);
      assert.deepEqual(
        peer.got.map(({ from }) => formatEndpoint(from)),
        Array(3).fill(formatEndpoint(to)),
      );
    }
  }));

test("a port in use: the code, and one sentence with address, port and flag", () =>
  withCleanup(async (use) => {
    const peer = use(await openPeer());
    const { port } = peer.local;
    await assert.rejects(startRelay({ punchPort: port }), (error) => {
      assert.ok(error instanceof PunchcastError);
      assert.equal(error.code, "PORT_IN_USE");
      assert.equal(error.exitCode, 3);
      assert.equal(
        error.message,
        `Punch port (--punch-port) 127.0.0.1:${port} is in use: stop the program that has it or choose another port.`,
      );
      return true;
    });
    await assert.rejects(
      startRelay({ streams: [streamOptions(port)] }),
      /Ingest port of stream 'live' \(--ingest-port\)/,
    );
  }));

test("a relay that cannot start leaves no port bound", () =>
  withCleanup(async (use) => {
    const base = await freePorts(4);
    const blocker = use(await openPeer("127.0.0.1", base + 3));
    await assert.rejects(startRelay({ streams: [streamOptions(base)] }), /in use/);
    assert.ok(blocker);
    for (let k = 0; k < 3; k += 1) use(await openPeer("127.0.0.1", base + k));
  }));

test("an address that the host does not have", async () => {
  await assert.rejects(
    startRelay({ listen: "198.51.100.77" }),
    (error) => error instanceof PunchcastError && error.code === "ADDRESS_UNAVAILABLE",
  );
});

test("streams that cannot be are refused with the value at fault", async () => {
  for (const [streams, message] of [
    [[], /at least one stream/],
    [[streamOptions(undefined, { name: "a b" })], /'a b'/],
    [[streamOptions(undefined), streamOptions(undefined)], /'live' is there twice/],
    [[streamOptions(undefined, { components: 256 })], /256 components/],
    [[streamOptions(undefined, { viewKey: "" })], /key of stream 'live'/],
    [[streamOptions(65_534)], /UDP port 65536/],
    [[streamOptions(20_000), streamOptions(20_003, { name: "b" })], /20003 .* component 3 of stream 'live' has it/],
  ] as const)
    await assert.rejects(startRelay({ streams }), message);
});

test("closing takes under a second, says why each hole closed, frees the ports; twice is no harm", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const viewer = use(await join(relay.punchAt()));
    const startedAt = performance.now();
    await Promise.all([relay.close(), relay.close()]);
    await relay.close();
    assert.ok(performance.now() - startedAt < 1_000);
    const names = relay.events.map(({ event }) => event);
    assert.equal(names.at(-1), "stopped");
    assert.equal(names.filter((event) => event === "stopped").length, 1);
    const closed = relay.events.find((event) => event.event === "hole-closed");
    assert.equal(closed?.event === "hole-closed" && closed.reason, "relay-stopped");
    use(await openPeer("127.0.0.1", relay.punchPort));
    use(await openPeer("127.0.0.1", relay.ingestPort));
    assert.equal(viewer.media.length, 0, "and the viewers are told nothing");
  }));

test("stats say what came in, what went out and what was refused", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    use(await join(relay.punchAt()));
    use(await join(relay.punchAt()));
    const sender = use(await openPeer());
    for (let i = 0; i < 3; i += 1) sender.send(rtpPacket(i), { address: "127.0.0.1", port: relay.ingestPort });
    sender.send(Buffer.from("?"), relay.punchAt());
    await until("the figures", () => {
      const [stream] = relay.stats().streams;
      return stream?.out.packets === 6 && relay.stats().refused["unknown-source"] === 1;
    });
    const { streams, refused, uptimeMs, sendErrors } = relay.stats();
    const [stream] = streams;
    assert.ok(stream !== undefined && streams.length === 1);
    const { name, publisherLive, holes, out, repair, oversized } = stream;
    assert.deepEqual(
      { name, publisherLive, holes, out, repair, oversized },
      {
        ...{ name: "live", publisherLive: true, holes: 2 },
        out: { packets: 6, bytes: 600, drops: 0 },
        ...{ repair: { resent: 0, refused: 0 }, oversized: 0 },
      },
    );
    const [media, ...others] = stream.in;
    assert.deepEqual([media?.component, media?.packets, media?.bytes, media?.lost], [0, 3, 300, 0]);
    assert.deepEqual(
      others,
      [1, 2, 3].map((component) => ({ component, packets: 0, bytes: 0 })),
    );
    assert.deepEqual(refused, { "no-credentials": 2, "unknown-source": 1 });
    assert.ok(uptimeMs > 0);
    assert.equal(sendErrors, 0);
  }));

test("no event holds a key but the start's URLs", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ authSecret: "the-secret-of-all" }));
    const viewer = await join(relay.punchAt());
    use(await join(relay.punchAt(), { password: "a-guess-of-the-key" }));
    use(await join(relay.punchAt(), { role: "publisher" }));
    await viewer.close();
    await until("the hole to close", () => relay.events.some(({ event }) => event === "hole-closed"));
    await relay.close();
    for (const event of relay.events) {
      const text = JSON.stringify(event);
      for (const key of [viewKey, publishKey, "a-guess-of-the-key"])
        assert.equal(text.includes(key), event.event === "listening" && key !== "a-guess-of-the-key", text);
      assert.ok(!text.includes("the-secret-of-all"));
    }
  }));

test("a public address changes what is printed and nothing else", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ publicAddress: "relay.example" }));
    const start = relay.events.find((event) => event.event === "listening");
    assert.ok(start?.event === "listening");
    assert.equal(start.punch, `relay.example:${relay.punchPort}`);
    assert.equal(start.streams[0]?.watchUrl, `punch://relay.example:${relay.punchPort}/live?key=${viewKey}`);
    assert.deepEqual(start.addresses, [`127.0.0.1:${relay.punchPort}`]);
  }));

test("a key that is easily guessed is taken, and named by its stream only", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ streams: [{ ...streamOptions(await freePorts(4)), viewKey: "short" }] }));
    const warnings = relay.events.filter(({ event }) => event === "warning").map((event) => JSON.stringify(event));
    assert.ok(warnings.some((text) => /A key of stream 'live' is easily guessed/.test(text)));
    assert.ok(!warnings.some((text) => text.includes("short")));
  }));

test("an open relay says aloud what that means", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ open: { from: [] } }));
    const warning = relay.events.find(
      (event) => event.event === "warning" && /Bare punches are on/.test(event.message),
    );
    assert.ok(warning);
    const [peer, sender] = [use(await openPeer()), use(await openPeer())];
    peer.send(Buffer.from("0"), relay.punchAt());
    await until("the hole", () => relay.events.some(({ event }) => event === "hole-opened"));
    sender.send(rtpPacket(), { address: "127.0.0.1", port: relay.ingestPort });
    await until("the packet", () => peer.got.length === 1);
    assert.deepEqual(peer.got[0]?.from, relay.punchAt());
  }));
