import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { test } from "node:test";
import type { Endpoint } from "../../src/core/address.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { type Random, systemRandom } from "../../src/core/random.ts";
import { decodeRtp } from "../../src/rtp/header.ts";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { readSdp } from "../../src/sdp/session.ts";
import { type Watch, type WatchOptions, watch } from "../../src/watch/watch.ts";
import type { WatchEvent } from "../../src/watch/watch-events.ts";
import { rtcpPacket, rtpPacket } from "../relay/support.ts";
import {
  freePorts,
  openPeer,
  type Peer,
  startRelay,
  streamOptions,
  type TestRelay,
  withCleanup,
} from "../server/support.ts";
import { viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";

const loopback = (port: number): Endpoint => ({ address: "127.0.0.1", port });
const targetOf = (port: number, key = viewKey) => parsePunchUrl(`punch://127.0.0.1:${port}/live?key=${key}`);

/** A watch with everything it told. */
interface TestWatch extends Watch {
  readonly events: WatchEvent[];
  of<Name extends WatchEvent["event"]>(name: Name): (WatchEvent & { event: Name })[];
}

async function startWatch(options: Partial<WatchOptions> & Pick<WatchOptions, "target">): Promise<TestWatch> {
  const events: WatchEvent[] = [];
  const running = await watch({ onEvent: (event) => events.push(event), ...options });
  return { ...running, events, of: (name) => events.filter((event) => event.event === name) as never };
}

/** Resolves when this process has neither UDP sockets nor timers left. */
const nothingLeft = (when: string): Promise<void> =>
  until(`nothing to be left open ${when}`, () => {
    const left = process.getActiveResourcesInfo().filter((name) => /UDP/.test(name));
    return left.length === 0;
  });

/** Sends a packet of the stream's component to the relay. */
async function send(relay: TestRelay, component: number, ...packets: Uint8Array[]): Promise<void> {
  await withCleanup(async (use) => {
    const sender = use(await openPeer("127.0.0.1", await freePorts(1)));
    for (const bytes of packets) sender.send(bytes, loopback(relay.ingestPort + component));
  });
}

test("learns how many components there are, opens them all, and hands each to its port of the player", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const watching = use(await startWatch({ target: targetOf(relay.punchPort) }));
    assert.deepEqual(
      watching
        .of("punched")
        .map(({ component }) => component)
        .sort(),
      [0, 1, 2, 3],
    );
    for (const { local, mapped, relay: at } of watching.of("punched")) {
      assert.equal(local, mapped, "no NAT here");
      assert.equal(at, `127.0.0.1:${relay.punchPort}`);
    }
    const ports = watching.of("punched").map(({ component, local }) => Number(local.split(":")[1]) - component);
    assert.equal(new Set(ports).size, 1, "consecutive ports");
    assert.deepEqual(watching.of("ready"), [{ event: "ready", port: watching.port, components: [0, 1, 2, 3] }]);
    const player: Peer[] = [];
    for (let k = 0; k < 4; k += 1) player.push(use(await openPeer("127.0.0.1", watching.port + k)));
    for (let k = 0; k < 4; k += 1) await send(relay, k, rtpPacket(100 + k));
    await until("a packet on every port", () => player.every(({ got }) => got.length === 1));
    assert.deepEqual(
      player.map(({ got }) => got[0]?.bytes[3]),
      [100, 101, 102, 103],
    );
  }));

test("watches the components that were asked for, at the port that was asked for", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const port = await freePorts(3);
    const watching = use(await startWatch({ target: targetOf(relay.punchPort), components: [0, 2], port }));
    assert.deepEqual(watching.of("ready"), [{ event: "ready", port, components: [0, 2] }]);
    const player = use(await openPeer("127.0.0.1", port + 2));
    await send(relay, 2, rtpPacket());
    await until("the packet", () => player.got.length === 1);
  }));

test("the player's wish for a key frame goes back to the publisher", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const watching = use(await startWatch({ target: targetOf(relay.punchPort) }));
    const sender = use(await openPeer());
    const player = use(await openPeer("127.0.0.1", watching.port + 1));
    sender.send(rtcpPacket, loopback(relay.ingestPort + 1));
    await until("a sender report at the player", () => player.got.length === 1);
    const back = player.got[0]?.from;
    assert.ok(back);
    player.send(Buffer.from("not RTCP"), back);
    sender.send(rtpPacket(), loopback(relay.ingestPort));
    const media = decodeRtp(rtpPacket());
    assert.ok(media.ok);
    player.send(encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc: media.value.ssrc }]), back);
    await until("the request at the publisher", () => sender.got.length === 1);
    const asked = decodeRtcp(sender.got[0]?.bytes ?? new Uint8Array());
    assert.ok(asked.ok && asked.value[0]?.type === "pli");
  }));

test("writes the SDP for the player", () =>
  withCleanup(async (use) => {
    const folder = await mkdtemp(joinPath(tmpdir(), "punchcast-test-"));
    use({ close: () => rm(folder, { recursive: true }) });
    const relay = use(await startRelay());
    const sdp = readSdp(
      "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=x\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=video 9099 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    );
    const sdpOut = joinPath(folder, "live.sdp");
    const watching = use(await startWatch({ target: targetOf(relay.punchPort), sdp, sdpOut }));
    assert.equal(watching.sdpPath, sdpOut);
    const ours = use(await startWatch({ target: targetOf(relay.punchPort), sdp }));
    assert.ok(existsSync(ours.sdpPath ?? ""));
    await ours.close();
    assert.ok(!existsSync(ours.sdpPath ?? ""));
    const text = await readFile(sdpOut, "utf8");
    assert.match(text, new RegExp(`^m=video ${watching.port} RTP/AVP 96\r?$`, "m"));
    assert.match(text, /^c=IN IP4 127\.0\.0\.1\r?$/m);
    await assert.rejects(
      watch({ target: targetOf(relay.punchPort), sdp, sdpOut: joinPath(folder, "no/such/folder.sdp") }),
      (error) => error instanceof PunchcastError && error.code === "FILE_UNWRITABLE",
    );
  }));

/** The system's randomness, but the first local ports are drawn as if `base` had come out. */
function drawingPorts(base: number): Random {
  let drawn = false;
  return {
    bytes(length) {
      if (length !== 4 || drawn) return systemRandom.bytes(length);
      drawn = true;
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, (base - 20_000) / 2);
      return bytes;
    },
  };
}

test("when one of the ports is taken it starts again on others, and media comes on every component", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const base = 20_000 + 2 * ((systemRandom.bytes(1)[0] ?? 0) + 1_000);
    use(await openPeer("0.0.0.0", base + 2));
    const watching = use(await startWatch({ target: targetOf(relay.punchPort), random: drawingPorts(base) }));
    assert.equal(watching.of("punched")[0]?.local, `127.0.0.1:${base}`, "the clash was there to be met");
    const player = use(await openPeer("127.0.0.1", watching.port));
    await send(relay, 0, rtpPacket(1));
    await until("media on component 0, which had been opened and left", () => player.got.length === 1, 2_000);
  }));

test("a bare watch punches four components with no key", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay({ open: { from: [] } }));
    const target = { host: "127.0.0.1", port: relay.punchPort, bare: true } as const;
    const watching = use(await startWatch({ target }));
    assert.deepEqual(
      watching.of("punched").map(({ mapped }) => mapped),
      Array(4).fill(undefined),
    );
    const player = use(await openPeer("127.0.0.1", watching.port + 2));
    await until("the holes", () => relay.events.filter(({ event }) => event === "hole-opened").length === 4);
    await send(relay, 2, rtpPacket());
    await until("the packet", () => player.got.length === 1);
    await assert.rejects(watch({ target, components: [10] }), /component 10/);
  }));

test("a refusal for good ends it, however many sockets were still to be opened", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const components = Array.from({ length: 40 }, (_, k) => k);
    for (const options of [{}, { components }]) {
      await assert.rejects(watch({ target: targetOf(relay.punchPort, "wrong-key"), ...options }), (error) => {
        assert.ok(error instanceof PunchcastError);
        assert.equal(error.code, "RELAY_REFUSED");
        assert.match(error.message, /the key is wrong or has expired/);
        assert.ok(!error.message.includes("wrong-key"));
        return true;
      });
    }
    await relay.close();
    await nothingLeft("after the refusal");
  }));

test("a key that STUN cannot carry is an error, not a crash", async () => {
  await assert.rejects(
    watch({ target: targetOf(await freePorts(1), "a%00b") }),
    (error) => error instanceof PunchcastError && error.code === "BAD_OPTION",
  );
});

test("given up while it waits for the relay, it leaves nothing open", async () => {
  const port = await freePorts(1);
  for (const delayMs of [0, 1, 20, 200]) {
    const controller = new AbortController();
    const waiting = watch({ target: targetOf(port), components: [0, 1, 2, 3], signal: controller.signal });
    setTimeout(() => controller.abort("enough"), delayMs);
    await assert.rejects(waiting, (reason) => reason === "enough");
    // Long enough for what was under way to open what it should not.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await nothingLeft(`after ${delayMs} ms`);
    assert.ok(!process.getActiveResourcesInfo().includes("Timeout"), `a timer, after ${delayMs} ms`);
  }
  await assert.rejects(
    watch({ target: targetOf(port), signal: AbortSignal.abort("before") }),
    (reason) => reason === "before",
  );
});

test("waits for a relay that is not there yet, and says so", () =>
  withCleanup(async (use) => {
    const punchPort = await freePorts(1);
    const events: WatchEvent[] = [];
    const starting = watch({ target: targetOf(punchPort), onEvent: (event) => events.push(event) });
    await until("word of it", () => events.some(({ event }) => event === "waiting"), 6_000);
    use(await startRelay({ punchPort }));
    use(await starting);
  }));

test("a relay that is started anew has its viewer back; stall and resumption are told", () =>
  withCleanup(async (use) => {
    const ingestPort = await freePorts(4);
    const streams = [streamOptions(ingestPort)];
    const relay = use(await startRelay({ streams }));
    const { punchPort } = relay;
    const watching = use(await startWatch({ target: targetOf(punchPort) }));
    const player = use(await openPeer("127.0.0.1", watching.port));
    const sender = use(await openPeer());
    let sequence = 0;
    const stream = setInterval(() => {
      sequence += 1;
      sender.send(rtpPacket(sequence), loopback(ingestPort));
    }, 20);
    try {
      await until("media", () => player.got.length > 10);
      await relay.close();
      await until("the stall", () => watching.of("stalled").length === 1);
      const before = player.got.length;
      const again = use(await startRelay({ streams, punchPort }));
      const startedAt = performance.now();
      await until("media again", () => player.got.length > before + 10);
      assert.ok(performance.now() - startedAt < 5_000);
      const [resumed] = watching.of("resumed");
      assert.ok(resumed && resumed.afterMs >= 1_000);
      assert.ok(again.events.some(({ event }) => event === "hole-opened"));
    } finally {
      clearInterval(stream);
    }
  }));

test("closing leaves the relay at once, tells the last figures and ends", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const watching = await startWatch({ target: targetOf(relay.punchPort) });
    await watching.close("duration");
    await watching.close();
    await watching.ended;
    assert.deepEqual(
      watching.events.slice(-2).map(({ event }) => event),
      ["stats", "ended"],
    );
    assert.deepEqual(watching.of("ended"), [{ event: "ended", reason: "duration" }]);
    await until("the holes to close", () => relay.events.filter(({ event }) => event === "hole-closed").length === 4);
    for (const event of relay.events) if (event.event === "hole-closed") assert.equal(event.reason, "left");
  }));

test("strangers' datagrams are dropped and counted", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const watching = use(await startWatch({ target: targetOf(relay.punchPort) }));
    const player = use(await openPeer("127.0.0.1", watching.port));
    const stranger = use(await openPeer());
    const [punched] = watching.of("punched");
    stranger.send(rtpPacket(), loopback(Number(punched?.local.split(":")[1])));
    await until("the count", () => watching.of("stats").at(-1)?.strangers === 1);
    assert.equal(player.got.length, 0);
  }));
