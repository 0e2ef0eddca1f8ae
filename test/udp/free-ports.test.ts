import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createPortHolder, findFreePorts, type PortHolder } from "../../src/udp/free-ports.ts";
import { openUdpSocket } from "../../src/udp/udp-socket.ts";

const address = "127.0.0.1";

function portHolder(t: TestContext): PortHolder {
  const holder = createPortHolder(address);
  t.after(holder.close);
  return holder;
}

test("who looks at the same moment finds other ports, none of them shared", async (t) => {
  const counts = [4, 2, 1, 3, 4, 2, 6, 1];
  const rows = await Promise.all(counts.map((count) => portHolder(t).find(24_000, count)));
  const all = rows.flatMap((port, i) => Array.from({ length: counts[i] ?? 1 }, (_, k) => port + k));
  assert.equal(new Set(all).size, all.length, all.join(" "));
  assert.ok(rows.every((port) => port % 2 === 0));
});

test("what was found stays free for UDP, is not found again by its own holder, and is free for all after close", async (t) => {
  const [holder, other] = [portHolder(t), portHolder(t)];
  const port = await holder.find(24_100, 2);
  assert.equal(await findFreePorts(address, port, 2), port, "a player can have it");
  const next = await holder.find(port, 2);
  assert.ok(next >= port + 2);
  assert.ok((await other.find(port, 2)) >= next + 2);
  await holder.close();
  assert.equal(await other.find(port, 2), port);
});

test("a row with a port that a player has is passed over, and let go of", async (t) => {
  const first = await findFreePorts(address, 24_200, 4);
  const player = await openUdpSocket({ address, port: first + 3, onDatagram: () => {} });
  t.after(player.close);
  assert.ok((await portHolder(t).find(first, 4)) >= first + 4);
  assert.equal(await portHolder(t).find(first, 2), first);
});

test("so is one with a namesake that any program has", async (t) => {
  const server = createServer().listen(24_301, address);
  t.after(() => server.close());
  await once(server, "listening");
  assert.ok((await portHolder(t).find(24_300, 2)) >= 24_302);
  assert.equal(await portHolder(t).find(24_300, 1), 24_300);
});

test("who connects is hung up on, and does not keep the holder from closing", { timeout: 5_000 }, async (t) => {
  const client = connect(await portHolder(t).find(24_400, 1), address);
  t.after(() => client.destroy());
  await once(client, "close", { signal: t.signal });
});

test("no row is found where none can be", async (t) => {
  await assert.rejects(portHolder(t).find(65_534, 4), { code: "PORT_IN_USE" });
});
