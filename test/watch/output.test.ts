import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../../src/core/clock.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { openConnectedSocket } from "../../src/udp/connected-socket.ts";
import { fullestOf, fullestReceiveQueue } from "../../src/udp/receive-queues.ts";
import { createDistribution, type DistributionOptions, type StreamKnowledge } from "../../src/watch/distribution.ts";
import { openUdpOutput } from "../../src/watch/output.ts";
import { withoutGoodbye } from "../../src/watch/recorder.ts";
import { watch } from "../../src/watch/watch.ts";
import type { WatchEvent } from "../../src/watch/watch-events.ts";
import { rtcpPacket } from "../relay/support.ts";
import { freePorts, openPeer, type Peer, startRelay, withCleanup } from "../server/support.ts";
import { needs } from "../support/needs.ts";
import { viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";

const rtp = (sequenceNumber: number, length = 500): Uint8Array =>
  encodeRtp(
    { payloadType: 96, marker: true, sequenceNumber, timestamp: sequenceNumber * 3000, ssrc: 7 },
    new Uint8Array(length),
  );

const sequenceOf = (bytes: Uint8Array): number => ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
const sequencesOf = ({ got }: Peer): number[] => got.map(({ bytes }) => sequenceOf(bytes));

const distribute = (options: Partial<DistributionOptions> = {}) =>
  createDistribution({ clock: systemClock, cache: true, onFeedback: () => {}, ...options });

const keyFrameAt = (sequence: number): StreamKnowledge => ({
  isKeyStart: (_component, bytes) => sequenceOf(bytes) === sequence,
  isVideo: () => true,
});

test("every output gets every packet, IPv4 and IPv6; the first one's RTCP goes back", () =>
  withCleanup(async (use) => {
    const feedback: number[] = [];
    const all = use(distribute({ onFeedback: (component) => feedback.push(component) }));
    const ports = [await freePorts(4), await freePorts(4)];
    const players: Peer[] = [];
    for (const [i, address] of ["127.0.0.1", "::1"].entries()) {
      const port = ports[i] ?? 0;
      players.push(use(await openPeer(address, port)), use(await openPeer(address, port + 1)));
      await all.openUdp({ to: { address, port }, components: [0, 1] });
    }
    all.deliver(0, rtp(1));
    all.deliver(1, rtcpPacket);
    await until("a packet at each", () => players.every(({ got }) => got.length === 1));
    for (const player of [...players].reverse()) {
      const from = player.got[0]?.from;
      assert.ok(from);
      player.send(rtcpPacket, from);
    }
    await until("the feedback of the first", () => feedback.length === 2);
    assert.deepEqual(feedback.sort(), [0, 1]);
  }));

test("a player that opens its ports late gets all since the key frame, whatever its buffer takes, and then live", () =>
  withCleanup(async (use) => {
    const all = use(distribute());
    const port = await freePorts(2);
    await all.openUdp({ to: { address: "127.0.0.1", port }, components: [0, 1] });
    // 0.9 MB since the key frame, several times what a socket that asks for no buffer can hold.
    let next = 0;
    const deliverNext = (): void => all.deliver(0, rtp(next++, 1_000));
    while (next < 500) deliverNext();
    // What the stream is may become known after the key frame has gone by.
    all.know(keyFrameAt(100));
    while (next < 1_000) deliverNext();
    const player = use(await openPeer("127.0.0.1", port));
    const live = setInterval(deliverNext, 5);
    try {
      await until("the live stream", () => sequencesOf(player).includes(1_010));
    } finally {
      clearInterval(live);
    }
    assert.deepEqual(
      sequencesOf(player),
      Array.from({ length: player.got.length }, (_, i) => 100 + i),
    );
  }));

/** A player that opens its port, has other things to do for a while, and then reads: prints the sequence numbers it got. */
const slowPlayer = `
import socket, sys, time
player = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
player.bind(("127.0.0.1", int(sys.argv[1])))
time.sleep(0.4)
player.settimeout(0.3)
try:
    while True: print(int.from_bytes(player.recv(2000)[2:4], "big"))
except TimeoutError: pass
`;

test(
  "a player that is slow to read loses nothing: what it missed waits until its buffer has room",
  needs("python3"),
  () =>
    withCleanup(async (use) => {
      if (process.platform !== "linux") return;
      const all = use(distribute());
      all.know(keyFrameAt(0));
      const port = await freePorts(1);
      await all.openUdp({ to: { address: "127.0.0.1", port }, components: [0] });
      for (let sequence = 0; sequence < 1_000; sequence += 1) all.deliver(0, rtp(sequence, 1_000));
      const { stdout } = await promisify(execFile)("python3", ["-c", slowPlayer, String(port)], { timeout: 10_000 });
      assert.deepEqual(
        stdout.trim().split("\n").map(Number),
        Array.from({ length: 1_000 }, (_, i) => i),
      );
    }),
);

test("an output needs room for its ports, and a way there", async () => {
  const options = { components: [0, 1], clock: systemClock };
  const isCode =
    (code: string) =>
    (error: unknown): boolean =>
      error instanceof PunchcastError && error.code === code;
  await assert.rejects(openUdpOutput({ ...options, to: { address: "127.0.0.1", port: 65_535 } }), isCode("BAD_OPTION"));
  await assert.rejects(
    openUdpOutput({ ...options, to: { address: "255.255.255.255", port: 5_000 } }),
    isCode("ADDRESS_UNAVAILABLE"),
  );
});

test("hops are set for groups, and for nothing else", () =>
  withCleanup(async (use) => {
    // More hops than there can be, so that setting them fails; nothing leaves this host.
    const options = { components: [0], multicastTtl: 999, clock: systemClock };
    for (const address of ["239.255.77.77", "ff15::77"])
      await assert.rejects(
        openUdpOutput({ ...options, to: { address, port: 5_000 } }),
        /no way to .*(EINVAL|ENETUNREACH)/,
      );
    use(await openUdpOutput({ ...options, to: { address: "127.0.0.1", port: 5_000 } }));
  }));

test("a socket hears that nobody listens, and goes on when somebody does", () =>
  withCleanup(async (use) => {
    const port = await freePorts(1);
    let refusals = 0;
    const to = { address: "127.0.0.1", port };
    const socket = use(await openConnectedSocket({ to, onDatagram: () => {}, onRefused: () => (refusals += 1) }));
    socket.send(rtp(1));
    await until("the refusal", () => refusals === 1);
    const peer = use(await openPeer("127.0.0.1", port));
    socket.send(rtp(2));
    await until("the packet", () => peer.got.length === 1);
    assert.deepEqual(sequencesOf(peer), [2]);
  }));

test("the fullest of some ports' receive queues, as Linux lists them", async () => {
  const text = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
  100: 0100007F:138C 00000000:0000 07 00000000:00001200 00:00000000 00000000     0        0 1 2 0
  101: 00000000000000000000000001000000:138D 00000000000000000000000000000000:0000 07 00000000:00002000 00:0 0 0 0
  102: 0100007F:138E 00000000:0000 07 00000000:00FF0000 00:00000000 00000000     0        0 1 2 0
`;
  assert.equal(fullestOf(text, new Set([5004, 5005])), 0x2000);
  assert.equal(fullestOf(text, new Set([5004])), 0x1200);
  assert.equal(fullestOf("", new Set([5004])), 0);
  const now = await fullestReceiveQueue(new Set([1]));
  assert.equal(now, process.platform === "linux" ? 0 : undefined);
});

test("only the sender's goodbyes are kept from a recorder", () => {
  const report = { type: "receiver-report", ssrc: 1, reports: [] } as const;
  const bye = { type: "bye", ssrcs: [1] } as const;
  assert.deepEqual(withoutGoodbye(encodeRtcp([report, bye])), encodeRtcp([report]));
  assert.equal(withoutGoodbye(encodeRtcp([bye])), undefined);
  for (const bytes of [rtp(1), rtcpPacket, Uint8Array.of(0x80, 203, 0, 9)]) assert.equal(withoutGoodbye(bytes), bytes);
});

test("watch sends to the outputs it is given, and opens none of its own then", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const [first, second] = [await freePorts(4), await freePorts(4)];
    const events: WatchEvent[] = [];
    const outputs = [
      { host: "127.0.0.1", port: first },
      { host: "::1", port: second },
    ];
    const target = parsePunchUrl(`punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`);
    const watching = use(await watch({ target, outputs, onEvent: (event) => events.push(event) }));
    assert.equal(watching.port, first);
    const ready = events.find(({ event }) => event === "ready");
    assert.deepEqual(ready, {
      event: "ready",
      port: first,
      components: [0, 1, 2, 3],
      outputs: [`udp://127.0.0.1:${first}`, `udp://[::1]:${second}`],
    });
    const players = [use(await openPeer("127.0.0.1", first + 2)), use(await openPeer("::1", second + 2))];
    const sender = use(await openPeer());
    sender.send(rtp(5), { address: "127.0.0.1", port: relay.ingestPort + 2 });
    await until("the packet at both", () => players.every(({ got }) => got.length === 1));
  }));
