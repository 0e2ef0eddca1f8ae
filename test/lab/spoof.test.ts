import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { LabNode } from "../../src/lab/lab.ts";
import type { Scene } from "../../src/lab/scene.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { timeLimitedPassword, timeLimitedUsername } from "../../src/relay/credentials.ts";
import { classifyDatagram } from "../../src/rtp/demux.ts";
import { attributeTypes } from "../../src/stun/attribute-types.ts";
import { decodeMessage, encodeMessage, findAttribute } from "../../src/stun/message.ts";
import { needsLab, withLab } from "../support/lab.ts";
import {
  type Challenge,
  freshTransactionId,
  publishKey,
  punchRequest,
  readAnswer,
  viewKey,
} from "../support/punch-request.ts";
import { attend, type Running, runPython, runRelay, type SourceEvent } from "../support/punchcast.ts";
import { countOnWire, readWire } from "../support/wire-counters.ts";

const options = { ...(await needsLab("python3")), timeout: 60_000 };
const relayAt = { address: "10.10.10.197", port: 9000 };
const [attacker, victim] = ["10.10.10.66", "10.10.10.77"] as const;
const authSecret = "secret of the web backend";

type PipeEvent =
  | { readonly event: "ready" }
  | { readonly event: "received"; readonly from: string; readonly hex: string };

/** A UDP socket of a host in the lab. */
interface Pipe {
  /** Where the relay sees it. */
  readonly remote: string;
  send(bytes: Uint8Array, to?: { address: string; port: number }, forgedFrom?: { address: string; port: number }): void;
  /** Sends, and waits for the answer to that transaction. */
  ask(bytes: Uint8Array, to?: { address: string; port: number }): Promise<ReturnType<typeof readAnswer>>;
  /** Everything that came. */
  received(): Uint8Array[];
}

test("whoever proves nothing gets no media and never more bytes than it sent", options, async (t) => {
  await withLab(withStrangers(seedScene({ ipv6: false })), async (lab) => {
    const relayHost = lab.host("relay");
    const flags = ["--view-key", viewKey, "--publish-key", publishKey, "--auth-secret", authSecret];
    const relay = runRelay(relayHost, ...flags);
    const other = runRelay(relayHost, ...flags, "--punch-port", "9010", "--ingest-port", "9199");
    await countOnWire(relayHost);
    const ear: Running<PipeEvent> = runPython(relayHost, "overhear.py", "9000");
    await ear.until("ready");
    const [listening] = await Promise.all([relay.until("listening"), other.until("listening")]);

    const { watch, player } = await attend(lab.host("C1"), listening.streams[0]?.watchUrl ?? "");
    const source = runPython<SourceEvent>(lab.host("S1"), "rtp-source.py", relayAt.address, "9099", "50", "8");
    await player.until("first");
    const overheard = ear
      .all("received")
      .map(({ hex }) => Buffer.from(hex, "hex"))
      .filter(isSigned);
    await ear.kill();
    assert.ok(overheard.length >= 4, `${overheard.length} signed requests overheard`);

    const [own, second, friend] = await Promise.all(
      [6000, 6001, 6002].map((local) => openPipe(lab.host("attacker"), attacker, local)),
    );
    const neighbour = await openPipe(lab.host("C1"), "10.10.10.112", 7000);
    assert.ok(own && second && friend);

    // Under a forged source: requests of every size, media, a bare punch, what a real viewer sent. Each from a port of its own.
    const forged = [...unsignedRequests(), ...overheard, Buffer.from("0"), ...[12, 28, 100, 1400].map(rtp)];
    for (const [i, bytes] of forged.entries()) {
      own.send(bytes, relayAt, { address: victim, port: 10_000 + i });
      // The relay answers no more than 400 at once.
      if (i % 40 === 39) await delay(40);
    }
    for (let k = 0; k < 4; k++) own.send(rtp(1200), { ...relayAt, port: 9099 + k });

    // Under an own address: each of the ways in that must stay shut.
    const challenge = await challenged(own);
    const wrongKey = await own.ask(punchRequest({ challenge, key: "not the view key" }));
    const foreign = await second.ask(punchRequest({ challenge }));
    const past = Math.floor(Date.now() / 1000) - 1;
    const expired = await own.ask(punchRequest({ challenge, ...timeLimited(past) }));
    const stale = await own.ask(punchRequest({ challenge: await challenged(own, { ...relayAt, port: 9010 }) }));
    assert.deepEqual([wrongKey.code, foreign.code, expired.code, stale.code], [401, 438, 401, 438]);
    for (const request of overheard) {
      assert.equal((await own.ask(request)).code, 438, "replayed from another address");
      assert.equal((await neighbour.ask(request)).code, 438, "replayed from another port");
    }
    // The same requests do open a hole where everything is right.
    const admitted = await friend.ask(
      punchRequest({ challenge: await challenged(friend), ...timeLimited(past + 100) }),
    );
    assert.equal(admitted.code, 200);

    const { sent } = await source.until("done", { withinMs: 20_000 });
    await watch.until("stats", { where: ({ components }) => components[0]?.packets === sent });
    await player.kill();
    const { packets, missing } = await player.until("done");
    assert.deepEqual({ packets, missing }, { packets: sent, missing: 0 });
    assert.ok(friend.received().some((bytes) => classifyDatagram(bytes) === "rtp"));

    const wire = await readWire(relayHost);
    const victims = [...wire.keys()].filter((remote) => remote.startsWith(`${victim}:`));
    assert.equal(victims.length, forged.length);
    const strangers = [own, second, neighbour].map(({ remote }) => remote);
    const total = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0 };
    for (const remote of [...victims, ...strangers]) {
      const { came, went } = wire.get(remote) ?? assert.fail(remote);
      const told = `${remote}: ${came.packets} packets, ${came.bytes} bytes in; ${went.packets}, ${went.bytes} out`;
      if (strangers.includes(remote)) t.diagnostic(told);
      assert.ok(went.packets <= came.packets && went.bytes <= came.bytes, told);
      total.packetsIn += came.packets;
      total.bytesIn += came.bytes;
      total.packetsOut += went.packets;
      total.bytesOut += went.bytes;
    }
    t.diagnostic(`all: ${JSON.stringify(total)}`);
    assert.ok(total.packetsOut > 300, "most requests are large enough for an answer");
    for (const { remote, received } of [own, second, neighbour]) {
      assert.deepEqual(
        received().filter((bytes) => classifyDatagram(bytes) !== "stun"),
        [],
        remote,
      );
    }
  });
});

function withStrangers(scene: Scene): Scene {
  const strangers = [
    { name: "attacker", address: attacker },
    { name: "victim", address: victim },
  ];
  return { ...scene, hosts: [...scene.hosts, ...strangers] };
}

async function openPipe(node: LabNode, address: string, port: number): Promise<Pipe> {
  const running: Running<PipeEvent> = runPython(node, "udp-pipe.py", String(port));
  await running.until("ready");
  const send: Pipe["send"] = (bytes, to = relayAt, from) => {
    const forged = from && { from: [from.address, from.port] };
    running.write(JSON.stringify({ to: [to.address, to.port], hex: Buffer.from(bytes).toString("hex"), ...forged }));
  };
  return {
    remote: `${address}:${port}`,
    send,
    async ask(bytes, to) {
      const since = running.events.length;
      send(bytes, to);
      const id = Buffer.from(bytes.subarray(8, 20)).toString("hex");
      const { hex } = await running.until("received", { since, where: ({ hex }) => hex.slice(16, 40) === id });
      return readAnswer(Buffer.from(hex, "hex"));
    },
    received: () => running.all("received").map(({ hex }) => Buffer.from(hex, "hex")),
  };
}

async function challenged(pipe: Pipe, relay = relayAt): Promise<Challenge> {
  const { challenge } = await pipe.ask(punchRequest(), relay);
  assert.ok(challenge);
  return challenge;
}

function timeLimited(expiresAt: number): { username: string; key: string } {
  const username = timeLimitedUsername("live", "viewer", expiresAt);
  return { username, key: timeLimitedPassword(authSecret, username) };
}

/** Binding requests of every length from the header alone to a full Ethernet frame. */
function unsignedRequests(): Uint8Array[] {
  return Array.from({ length: 364 }, (_, i) => {
    const attributes = i === 0 ? [] : [{ type: 0x8022, value: new Uint8Array((i - 1) * 4) }];
    const transactionId = freshTransactionId();
    return encodeMessage({ messageClass: "request", method: 1, transactionId, attributes, fingerprint: false });
  });
}

function rtp(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([0x80, 96]);
  return bytes;
}

function isSigned(bytes: Uint8Array): boolean {
  const decoded = decodeMessage(bytes);
  return decoded.ok && findAttribute(decoded.value, attributeTypes.messageIntegritySha256) !== undefined;
}
