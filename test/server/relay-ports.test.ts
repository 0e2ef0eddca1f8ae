import assert from "node:assert/strict";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { displayAddress, localAddresses } from "../../src/server/local-addresses.ts";
import { createRelayPorts, type RelayPorts } from "../../src/server/relay-ports.ts";
import { until } from "../support/until.ts";
import { openPeer, withCleanup } from "./support.ts";

// All of 127.0.0.0/8 is this host's on Linux; other systems have 127.0.0.1 only.
const needsLinux = { skip: process.platform === "linux" ? false : "127.0.0.2 is an address of Linux hosts only" };

/** Sends every datagram back from where it arrived. */
function echo(addresses: readonly string[]): { ports: RelayPorts; open: (port?: number) => Promise<number> } {
  const ports = createRelayPorts(addresses);
  const open = (port = 0): Promise<number> =>
    ports.open({ port, purpose: "Test port", onDatagram: (bytes, from, local) => void ports.send(local, from, bytes) });
  return { ports, open };
}

test("one port on every address, each answering for itself", needsLinux, () =>
  withCleanup(async (use) => {
    const { ports, open } = echo(["127.0.0.1", "127.0.0.2"]);
    use(ports);
    const port = await open();
    const peer = use(await openPeer("0.0.0.0"));
    for (const address of ["127.0.0.2", "127.0.0.1"]) peer.send(Buffer.from(address), { address, port });
    await until("both echoes", () => peer.got.length === 2);
    for (const { bytes, from } of peer.got) assert.deepEqual(from, { address: Buffer.from(bytes).toString(), port });
  }),
);

test("follows the host's addresses: new ones are bound to every port, lost ones are let go", needsLinux, () =>
  withCleanup(async (use) => {
    const { ports, open } = echo(["127.0.0.1"]);
    use(ports);
    const [first, second] = [await open(), await open()];
    await ports.follow(["127.0.0.2"]);
    assert.deepEqual(ports.addresses(), ["127.0.0.2"]);
    use(await openPeer("127.0.0.1", first));
    const peer = use(await openPeer());
    for (const port of [first, second]) peer.send(Buffer.from("x"), { address: "127.0.0.2", port });
    await until("both echoes", () => peer.got.length === 2);
    assert.equal(ports.send({ address: "127.0.0.1", port: first }, peer.local, Buffer.from("x")), false);
  }),
);

test("an address that cannot be bound yet does not hold up the others", needsLinux, () =>
  withCleanup(async (use) => {
    const { ports, open } = echo(["127.0.0.1", "198.51.100.77", "127.0.0.2"]);
    use(ports);
    await open();
    assert.deepEqual(ports.addresses(), ["127.0.0.1", "127.0.0.2"]);
    await ports.follow(["127.0.0.1", "127.0.0.2", "198.51.100.77"]);
    assert.deepEqual(ports.addresses(), ["127.0.0.1", "127.0.0.2"]);
  }),
);

test("a port that is taken on one address is left free on the others", needsLinux, () =>
  withCleanup(async (use) => {
    const blocker = use(await openPeer("127.0.0.2"));
    const { port } = blocker.local;
    const { ports, open } = echo(["127.0.0.1", "127.0.0.2"]);
    use(ports);
    await assert.rejects(open(port), (error) => error instanceof PunchcastError && error.code === "PORT_IN_USE");
    use(await openPeer("127.0.0.1", port));
  }),
);

test("closing while addresses are followed leaves nothing bound", needsLinux, () =>
  withCleanup(async (use) => {
    const { ports, open } = echo(["127.0.0.1"]);
    const port = await open();
    const following = ports.follow(["127.0.0.1", "127.0.0.2"]);
    await ports.close();
    await following;
    assert.deepEqual(ports.addresses(), []);
    use(await openPeer("127.0.0.2", port));
  }),
);

test("a host without any address is told so", async () => {
  await assert.rejects(echo([]).open(), (error) => error instanceof PunchcastError && error.code === "NO_ADDRESS");
});

test("a wildcard means every address of the host, IPv4's only its own", () => {
  assert.deepEqual(localAddresses("127.0.0.1"), ["127.0.0.1"]);
  assert.deepEqual(localAddresses("0:0:0:0:0:0:0:1"), ["::1"]);
  assert.ok(localAddresses(undefined).includes("127.0.0.1"));
  assert.deepEqual(localAddresses("::"), localAddresses(undefined));
  assert.ok(localAddresses("0.0.0.0").every((address) => !address.includes(":")));
  assert.ok(localAddresses(undefined).every((address) => !address.startsWith("fe80:")));
});

test("people are shown an address that others can reach, if there is one", () => {
  assert.equal(displayAddress(["::1", "127.0.0.1", "2001:db8::1", "192.0.2.1"]), "192.0.2.1");
  assert.equal(displayAddress(["127.0.0.1", "2001:db8::1"]), "2001:db8::1");
  assert.equal(displayAddress(["::1"]), "::1");
});
