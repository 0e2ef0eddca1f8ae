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

/** What the harness has beyond the contract's. */
interface BatchedHarness extends PlaneHarness {
  readonly plane: BatchedPlane;
  /** Datagrams that came up to the main thread. */
  readonly up: { readonly bytes: Uint8Array; readonly from: Endpoint }[];
  readonly punch: UdpSocket;
}

/** The plane with real sockets on loopback; each component has an ingest socket and a publisher of its own. */
async function createHarness(address: string, segmentation: boolean): Promise<BatchedHarness> {
  const plane = createBatchedPlane({ libc: libc as Libc, segmentation });
  const sockets: UdpSocket[] = [];
  const inboxes: Uint8Array[][] = [];
  const up: { bytes: Uint8Array; from: Endpoint }[] = [];
  const onDatagram = (bytes: Uint8Array, from: Endpoint): void => void up.push({ bytes, from });
  const bind = async (open: typeof openUdpSocket, take = onDatagram): Promise<UdpSocket> => {
    const socket = await open({ address, port: 0, bufferBytes: 4 << 20, onDatagram: take });
    sockets.push(socket);
    return socket;
  };
  const punch = await bind(plane.openSocket);
  const flows = new Map<string, { readonly ingest: UdpSocket; readonly publisher: UdpSocket }>();
  for (const component of ["live/0", "live/1"]) {
    flows.set(component, { ingest: await bind(plane.openSocket), publisher: await bind(openUdpSocket) });
  }
  await plane.start({ punch: punch.local.port, ingest: [] }, []);
  return {
    plane,
    up,
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
      for (const bytes of packets) publisher.send(bytes, ingest.local);
      return turn();
    },
    async settle() {
      // Loopback delivers at once, so once nothing has moved for some turns of both threads, nothing will.
      let before = "";
      for (let still = 0; still < 10; ) {
        const { unseen } = await plane.readCounters();
        await turn();
        const now = JSON.stringify([[...unseen], inboxes.map(({ length }) => length), up.length]);
        still = now === before ? still + 1 : 0;
        before = now;
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
