import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Endpoint } from "../../src/core/address.ts";
import { type BatchedPlane, createBatchedPlane } from "../../src/data-plane/userspace/batched/batched-plane.ts";
import type { Flow } from "../../src/relay/forwarding.ts";
import { type Libc, loadLibc } from "../../src/udp/native/libc.ts";
import { openUdpSocket, type UdpSocket } from "../../src/udp/udp-socket.ts";
import { dataPlaneContract, type PlaneHarness, type Receiver } from "./contract.ts";

const libc = await loadLibc();
const skip = libc === undefined && "koffi and Linux on x86-64 or arm64 are needed";

const loopback = { address: "127.0.0.1", port: 0 } as const;

/** What the harness has beyond the contract's. */
interface BatchedHarness extends PlaneHarness {
  readonly plane: BatchedPlane;
  /** Datagrams that came up to the main thread. */
  readonly up: { readonly bytes: Uint8Array; readonly from: Endpoint }[];
  /** What the tap was told. */
  readonly tapped: { readonly component: string; readonly bytes: Uint8Array; readonly atMs: number }[];
  readonly punch: UdpSocket;
}

/** The plane with real sockets on loopback; each component has an ingest socket and a publisher of its own. */
async function createHarness(address: string, segmentation: boolean): Promise<BatchedHarness> {
  const tapped: BatchedHarness["tapped"] = [];
  const plane = createBatchedPlane({
    libc: libc as Libc,
    segmentation,
    onMedia: (component, bytes, atMs) => void tapped.push({ component, bytes: bytes.slice(), atMs }),
  });
  const sockets: UdpSocket[] = [];
  const inboxes: Uint8Array[][] = [];
  const up: { bytes: Uint8Array; from: Endpoint }[] = [];
  let published = 0;
  const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
  const onDatagram = (bytes: Uint8Array, from: Endpoint): void => void up.push({ bytes, from });
  const bind = async (open: typeof openUdpSocket, take = onDatagram): Promise<UdpSocket> => {
    const socket = await open({ address, port: 0, bufferBytes: 4 << 20, onDatagram: take });
    sockets.push(socket);
    return socket;
  };
  const punch = await bind(plane.openSocket);
  const flows = new Map<string, { readonly ingest: UdpSocket; readonly publisher: UdpSocket }>();
  for (const component of ["live/0", "live/2"]) {
    flows.set(component, { ingest: await bind(plane.openSocket), publisher: await bind(openUdpSocket) });
  }
  await plane.start({ punch: punch.local.port, ingest: [] }, []);
  return {
    plane,
    up,
    tapped,
    punch,
    holesPerFlow: Number.POSITIVE_INFINITY,
    enforcesFlows: true,
    flow(component): Flow {
      const { ingest, publisher } = flows.get(component) ?? assert.fail();
      return { local: ingest.local, publisher: publisher.local };
    },
    async addReceiver(): Promise<Receiver> {
      const inbox: Uint8Array[] = [];
      inboxes.push(inbox);
      const socket = await bind(openUdpSocket, (bytes) => void inbox.push(bytes));
      return { target: { local: punch.local, remote: socket.local }, received: () => inbox };
    },
    publish(component, packets) {
      const { ingest, publisher } = flows.get(component) ?? assert.fail();
      published += packets.length;
      for (const bytes of packets) publisher.send(bytes, ingest.local);
      return turn();
    },
    async carried() {
      for (let round = 0; round < 2_000; round += 1) {
        const { unseen } = await plane.readCounters();
        if (sum([...unseen.values()].map(({ packets }) => packets)) + up.length === published) return;
      }
    },
    async settle() {
      // Everything has been read, and what was sent on has been received. Bounded: a lost packet shall fail the test.
      for (let round = 0; round < 2_000; round += 1) {
        const { unseen, components } = await plane.readCounters();
        await turn();
        const read = sum([...unseen.values()].map(({ packets }) => packets)) + up.length;
        const sent = sum([...components.values()].map(({ packets }) => packets));
        if (read === published && sent === sum(inboxes.map(({ length }) => length))) return;
        if (components.size === 0 && round > 10) return;
      }
    },
    async close() {
      await plane.close();
      await Promise.all(sockets.map((socket) => socket.close()));
    },
  };
}

dataPlaneContract("batched", () => createHarness("127.0.0.1", true), { skip });
dataPlaneContract("batched, IPv6", () => createHarness("::1", true), { skip });
dataPlaneContract("batched, one message a packet", () => createHarness("127.0.0.1", false), { skip });

const open = (hole: string, { target }: Receiver) =>
  ({ type: "open-hole", hole, component: "live/0", target }) as const;

async function using(body: (harness: BatchedHarness) => Promise<void>): Promise<void> {
  const harness = await createHarness("127.0.0.1", true);
  try {
    await body(harness);
  } finally {
    await harness.close();
  }
}

test("batched: what belongs to no flow comes up as it was sent, with its source", { skip }, () =>
  using(async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([open("a", viewer)]);
    await harness.publish("live/0", [Uint8Array.of(1, 2, 3), Uint8Array.of()]);
    await harness.settle();
    const from = harness.flow("live/0").publisher;
    assert.deepEqual(
      harness.up.map((datagram) => ({ from: datagram.from, bytes: [...datagram.bytes] })),
      [
        { from, bytes: [1, 2, 3] },
        { from, bytes: [] },
      ],
    );
    assert.deepEqual(viewer.received(), []);
  }),
);

test("batched: STUN comes up from the punch port, also from an address that feeds a stream there", { skip }, () =>
  using(async (harness) => {
    const [viewer, publisher] = [await harness.addReceiver(), await openUdpSocket({ ...loopback, onDatagram() {} })];
    const flow = { local: harness.punch.local, publisher: publisher.local };
    await harness.plane.apply([open("a", viewer), { type: "set-flow", component: "live/0", flow }]);
    const stun = Uint8Array.from({ length: 20 }, (_, i) => [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][i] ?? 7);
    for (const bytes of [stun, Uint8Array.of(0x80, 96, 0, 1)]) publisher.send(bytes, harness.punch.local);
    for (let round = 0; round < 2_000 && viewer.received().length + harness.up.length < 2; round += 1) {
      await harness.plane.readCounters();
    }
    assert.deepEqual(
      harness.up.map(({ bytes }) => bytes.length),
      [20],
    );
    assert.deepEqual(
      viewer.received().map(({ length }) => length),
      [4],
    );
    await publisher.close();
  }),
);

test("batched: a hole that nothing can be sent to costs the others nothing, and its drops are its own", { skip }, () =>
  using(async (harness) => {
    const viewer = await harness.addReceiver();
    // Port 0 is no destination: the kernel refuses each message to it.
    const dead = { target: { local: harness.punch.local, remote: { address: "127.0.0.1", port: 0 } } };
    const flow = { type: "set-flow", component: "live/0", flow: harness.flow("live/0") } as const;
    await harness.plane.apply([flow, open("dead", { ...viewer, ...dead }), open("a", viewer)]);
    const sent = Array.from({ length: 40 }, () => new Uint8Array(100));
    await harness.publish("live/0", sent);
    await harness.settle();
    const { holes, components } = await harness.plane.readCounters();
    assert.deepEqual(holes.get("a"), { packets: 40, bytes: 4_000, drops: 0 });
    assert.deepEqual(holes.get("dead"), { packets: 0, bytes: 0, drops: 40 });
    assert.deepEqual(components.get("live/0"), { packets: 40, bytes: 4_000, drops: 40 });
    assert.equal(viewer.received().length, 40);
  }),
);

test("batched: packets that no message can be joined of are sent all the same", { skip }, () =>
  using(async (harness) => {
    const viewer = await harness.addReceiver();
    const flow = { type: "set-flow", component: "live/0", flow: harness.flow("live/0") } as const;
    await harness.plane.apply([flow, open("a", viewer)]);
    const sizes = [65_507, 40_000, 40_000, 3, 3, 2, 0, 5, 5, 0, 5];
    await harness.publish(
      "live/0",
      sizes.map((size) => new Uint8Array(size)),
    );
    await harness.settle();
    assert.deepEqual(
      viewer.received().map(({ length }) => length),
      sizes,
    );
  }),
);

test("batched: the tap is told of each packet that was sent on, in order, with its time of arrival", { skip }, () =>
  using(async (harness) => {
    const [viewer, startedAt] = [await harness.addReceiver(), performance.now()];
    const flow = { type: "set-flow", component: "live/0", flow: harness.flow("live/0") } as const;
    await harness.plane.apply([flow, open("a", viewer)]);
    const sent = Array.from({ length: 200 }, (_, i) => new Uint8Array(100 + (i % 3)).fill(i));
    await harness.publish("live/0", sent);
    await harness.settle();
    // A change is made after everything that was carried before it has been told.
    await harness.plane.apply([{ type: "close-hole", hole: "a" }]);
    const endedAt = performance.now();
    assert.deepEqual(
      harness.tapped.map(({ component, bytes }) => [component, ...bytes]),
      sent.map((bytes) => ["live/0", ...bytes]),
    );
    const times = harness.tapped.map(({ atMs }) => atMs);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.ok((times[0] ?? 0) >= startedAt - 1 && (times.at(-1) ?? 0) <= endedAt + 1, `${times[0]} … ${times.at(-1)}`);
  }),
);
