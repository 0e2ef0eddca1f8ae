import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDestinations } from "../../src/udp/native/destinations.ts";
import { type Libc, loadLibc } from "../../src/udp/native/libc.ts";
import { openNativeSocket } from "../../src/udp/native/native-socket.ts";
import { createPacketRun } from "../../src/udp/native/packet-run.ts";
import { decodeSocketAddress, encodeSocketAddress, socketAddressKey } from "../../src/udp/native/socket-address.ts";

const libc = (await loadLibc()) as Libc;
const skip = libc === undefined && "koffi and Linux on x86-64 or arm64 are needed";

test("a socket address comes back as it was, and its key is its own", () => {
  const endpoint = fc.record({
    address: fc.oneof(fc.ipV4(), fc.constantFrom("2001:db8::1", "::1", "fd00::1:2")),
    port: fc.integer({ min: 0, max: 65_535 }),
  });
  const key = (of: { address: string; port: number }): number | string => {
    const bytes = new Uint8Array(64);
    encodeSocketAddress(bytes, 32, of);
    assert.deepEqual(decodeSocketAddress(bytes, 32), { ...of });
    return socketAddressKey(bytes, new Uint32Array(bytes.buffer), 32);
  };
  fc.assert(
    fc.property(endpoint, endpoint, (a, b) => (key(a) === key(b)) === (JSON.stringify(a) === JSON.stringify(b))),
  );
});

test("a run takes packets of one size and a shorter last one, 64 of them and 65,507 bytes at most", { skip }, () => {
  const run = createPacketRun(libc);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 1, 100, 1_200, 1_400, 30_000), { maxLength: 100 }), (sizes) => {
      const runs: number[][] = [[]];
      run.clear();
      for (const size of sizes) {
        if (!run.add(4_096, size)) {
          run.clear();
          runs.push([]);
          assert.ok(run.add(4_096, size), "an empty run takes anything");
        }
        runs.at(-1)?.push(size);
      }
      assert.deepEqual(runs.flat(), sizes);
      for (const [first = 0, ...rest] of runs) {
        assert.ok(rest.slice(0, -1).every((size) => size === first) && (rest.at(-1) ?? 0) <= first);
        assert.ok(!rest.includes(0), "the kernel would cut no empty datagram off the end");
        assert.ok(rest.length < 64 && first + rest.reduce((sum, size) => sum + size, 0) <= 65_507);
      }
    }),
  );
  run.free();
});

test("destinations that can be reached get what others cannot, in whatever slot they are", { skip }, () => {
  const run = createPacketRun(libc);
  const destinations = createDestinations(libc, run);
  const from = openNativeSocket(libc, { address: "127.0.0.1", port: 0 });
  // Port 0 is no destination: the kernel refuses it with EINVAL.
  for (let i = 0; i < 40; i += 1) destinations.add({ address: "127.0.0.1", port: i % 3 === 0 ? 0 : from.local.port });
  run.add(run.parts, 10);
  const slots = (): number[] => destinations.sendRun(from.fd).map(({ slot }) => slot);
  assert.deepEqual(
    slots(),
    Array.from({ length: 14 }, (_, i) => i * 3),
  );
  destinations.remove(3);
  destinations.set(0, { address: "127.0.0.1", port: from.local.port });
  assert.deepEqual(slots(), [3, ...Array.from({ length: 11 }, (_, i) => 6 + i * 3)]);
  assert.equal(destinations.count, 39);
  from.close();
  destinations.free();
  run.free();
});

test("a port that is taken, an address that is not here and a port without the right are told apart", {
  skip,
}, async () => {
  const first = openNativeSocket(libc, { address: "127.0.0.1", port: 0 });
  const open = (address: string, port: number) => () => openNativeSocket(libc, { address, port });
  assert.throws(open("127.0.0.1", first.local.port), { code: "PORT_IN_USE" });
  assert.throws(open("192.0.2.1", 0), { code: "ADDRESS_UNAVAILABLE" });
  first.close();
  open("127.0.0.1", first.local.port)().close();
});
