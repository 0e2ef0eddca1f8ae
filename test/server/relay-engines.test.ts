import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { EngineName } from "../../src/data-plane/data-plane.ts";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { createRelay } from "../../src/server/relay-server.ts";
import type { ServerEvent } from "../../src/server/server-events.ts";
import { findFreePorts } from "../../src/udp/free-ports.ts";
import { loadLibc } from "../../src/udp/native/libc.ts";
import { openUdpSocket } from "../../src/udp/udp-socket.ts";

const address = "127.0.0.1";
const canBatch = (await loadLibc()) !== undefined;

for (const engine of ["dgram", "batched"] as const) {
  const skip = engine === "batched" && !canBatch && "koffi and Linux on x86-64 or arm64 are needed";

  test(
    `${engine}: a stream that starts under load arrives whole and in order, counted, and RTCP goes back`,
    { skip },
    () => run(engine),
  );
}

async function run(engine: EngineName): Promise<void> {
  const events: ServerEvent[] = [];
  const ingestPort = await findFreePorts(address, 21_098, 2);
  const relay = await createRelay({
    ...{ listen: address, punchPort: 0, engine, open: { from: [] }, statsIntervalMs: 50 },
    streams: [{ name: "live", components: 2, ingestPort, from: [], viewKey: "v", publishKey: "p" }],
    onEvent: (event) => void events.push(event),
  });
  const received: number[] = [];
  const feedback: Uint8Array[] = [];
  const viewer = await openUdpSocket({
    ...{ address, port: 0, bufferBytes: 4 << 20 },
    onDatagram: (bytes) => void received.push(Buffer.from(bytes).readUInt32BE(12)),
  });
  const publisher = await openUdpSocket({ address, port: 0, onDatagram: (bytes) => void feedback.push(bytes) });
  try {
    const at = { address, port: relay.punchPort };
    viewer.send(Buffer.from("0"), at);
    await until(() => events.some(({ event }) => event === "hole-opened"));
    const total = 3_000;
    for (let i = 0; i < total; i += 1) {
      const packet = Buffer.alloc(i % 13 === 12 ? 200 : 1_200);
      packet.writeUInt16BE(0x8060, 0);
      packet.writeUInt32BE(i, 12);
      publisher.send(packet, { address, port: ingestPort });
      if (i % 13 === 12) await turn();
    }
    await until(() => received.length >= total);
    assert.deepEqual(
      received,
      Array.from({ length: total }, (_, i) => i),
    );
    // What the viewer asks for is asked of whoever feeds the RTCP component.
    publisher.send(Buffer.from("80c8000100000001", "hex"), { address, port: ingestPort + 1 });
    const wish = encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc: 0 }]);
    for (let tries = 0; tries < 200 && feedback.length === 0; tries += 1) {
      viewer.send(wish, at);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const asked = decodeRtcp(feedback[0] ?? new Uint8Array());
    assert.ok(asked.ok && asked.value[0]?.type === "pli" && asked.value[0].mediaSsrc === 0);
  } finally {
    await Promise.all([viewer.close(), publisher.close()]);
    const startedAt = performance.now();
    await relay.close();
    assert.ok(performance.now() - startedAt < 1_000, "it stops within a second");
  }
  const stats = events.findLast(({ event }) => event === "stats");
  assert.ok(stats?.event === "stats");
  assert.equal(stats.streams[0]?.in[0]?.packets, 3_000);
  assert.equal(stats.streams[0]?.out.packets, 3_000);
  assert.equal(stats.streams[0]?.out.drops, 0);
}

/** Bounded by the clock: a packet that never comes shall fail the test, not hang it. */
async function until(isDone: () => boolean): Promise<void> {
  const endsAt = performance.now() + 5_000;
  while (!isDone() && performance.now() < endsAt) await turn();
}
