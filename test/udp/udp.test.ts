import assert from "node:assert/strict";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { resolveHost, sourceAddressFor } from "../../src/udp/route.ts";
import { openUdpSocket } from "../../src/udp/udp-socket.ts";
import { openPeer, withCleanup } from "../server/support.ts";

test("the buffers told are those that can be filled, not the kernel's double count", () =>
  withCleanup(async (use) => {
    const bufferBytes = 64 << 10;
    const socket = use(await openUdpSocket({ address: "127.0.0.1", port: 0, bufferBytes, onDatagram: () => {} }));
    assert.deepEqual(socket.buffers(), { receiveBytes: bufferBytes, sendBytes: bufferBytes });
  }));

test("a buffer that no system grants leaves the socket open", () =>
  withCleanup(async (use) => {
    const socket = use(await openUdpSocket({ address: "127.0.0.1", port: 0, bufferBytes: -1, onDatagram: () => {} }));
    assert.ok(socket.buffers().receiveBytes > 0);
  }));

test("what cannot be sent is counted and thrown at nobody; a closed socket drops", async () => {
  const socket = await openPeer();
  socket.send(new Uint8Array(70_000), { address: "127.0.0.1", port: 9 });
  socket.send(new Uint8Array(1), { address: "255.255.255.255", port: 9 });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(socket.sendErrors(), 2);
  await socket.close();
  await socket.close();
  assert.equal(socket.send(new Uint8Array(1), { address: "127.0.0.1", port: 9 }), false);
});

test("the address towards a host: the one the system would send from, none where it cannot", async () => {
  assert.equal(await sourceAddressFor({ address: "127.0.0.1", port: 9 }), "127.0.0.1");
  assert.equal(await sourceAddressFor({ address: "255.255.255.255", port: 9 }), undefined);
});

test("literals resolve to themselves, unknown names to an error", async () => {
  assert.deepEqual(await resolveHost("::ffff:192.0.2.1"), ["192.0.2.1"]);
  await assert.rejects(
    resolveHost("name.invalid"),
    (error) => error instanceof PunchcastError && error.code === "HOST_UNKNOWN",
  );
});
