/*
 * A nat or ebpf plane in a host of the lab, driven line by line: each line of standard input is `[method, ...arguments]` in JSON, each
 * line of output the answer. It has sockets on the ports as a relay has, and hands up what it gets there for a known flow.
 *
 *   plane-driver.ts ADDRESS PUNCH-PORT INGEST-PORTS TOOL
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { formatEndpoint } from "../../src/core/address.ts";
import type { DataPlane, PlaneCounters } from "../../src/data-plane/data-plane.ts";
import { createEbpfPlane } from "../../src/data-plane/ebpf/ebpf-plane.ts";
import { createNatPlane } from "../../src/data-plane/nat/nat-plane.ts";
import { createMemorySwitches } from "../../src/data-plane/nat/switches.ts";
import type { PacketSender } from "../../src/data-plane/userspace/userspace-plane.ts";
import type { ForwardingChange } from "../../src/relay/forwarding.ts";

const [, , address = "", punch = "", ingest = "", tool = ""] = process.argv;
const ports = { punch: Number(punch), ingest: ingest.split(",").map(Number) };
const sockets = new Map<number, Socket>();
const flows = new Map<string, string>();
let handedUp = 0;
const shown: [component: string, hex: string][] = [];
/** What user space got to see either way, in order; and how much of that by the time that a hole was opened. */
const told: string[] = [];
const toldBefore = new Map<string, number>();
const onMedia = (component: string, bytes: Uint8Array): void => {
  const hex = Buffer.from(bytes).toString("hex");
  told.push(hex);
  shown.push([component, hex]);
};

const send: PacketSender = (local, remote, bytes) => {
  sockets.get(local.port)?.send(Uint8Array.from(bytes), remote.port, remote.address);
  return true;
};
const warn = (sentence: string): void => void process.stderr.write(`${sentence}\n`);
const natPlane = (): DataPlane => createNatPlane({ send, switches: createMemorySwitches(), warn, tool });
const way = tool === "ebpf (clsact)" ? "clsact" : undefined;
const plane = tool.startsWith("ebpf")
  ? createEbpfPlane({ send, warn, requestsPerSecond: 0, way, ...(tool === "ebpf (tapped)" && { onMedia }) })
  : natPlane();

for (const port of [ports.punch, ...ports.ingest]) {
  const socket = createSocket("udp4");
  socket.bind(port, address);
  await once(socket, "listening");
  sockets.set(port, socket);
  socket.on("message", (bytes, from) => {
    handedUp += 1;
    const component = flows.get(`${formatEndpoint(from)} ${port}`);
    if (component === undefined) return;
    told.push(bytes.toString("hex"));
    plane.deliver(component, bytes, { local: { address, port }, publisher: from });
  });
}

function follow(changes: readonly ForwardingChange[]): void {
  for (const change of changes) {
    if (change.type !== "set-flow" && change.type !== "clear-flow") continue;
    for (const [flow, component] of flows) if (component === change.component) flows.delete(flow);
    if (change.type === "clear-flow") continue;
    flows.set(`${formatEndpoint(change.flow.publisher)} ${change.flow.local.port}`, change.component);
  }
}

const methods: Readonly<Record<string, (changes: readonly ForwardingChange[]) => Promise<unknown>>> = {
  start: async (changes) => {
    follow(changes);
    // A lab's links take a moment to come up; a relay starts by listing them.
    for (let attempt = 0; attempt < 200 && networkInterfaces().eth0 === undefined; attempt += 1) await delay(10);
    return plane.start(ports, changes);
  },
  apply: (changes) => {
    follow(changes);
    return plane.apply(changes, (hole) => void toldBefore.set(hole, told.length));
  },
  openPort: async () => plane.setPorts?.({ ...ports, ingest: [...ports.ingest, 9_300] }),
  readCounters: async () => asJson(await plane.readCounters()),
  handedUp: async () => handedUp,
  shown: async () => shown,
  told: async () => ({ told, toldBefore: [...toldBefore] }),
  close: () => plane.close(),
};

function asJson({ holes, components, unseen }: PlaneCounters): unknown {
  return { holes: [...holes], components: [...components], unseen: [...unseen] };
}

for await (const line of createInterface(process.stdin)) {
  const [method, changes = []] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ value: (await methods[method]?.(changes)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
process.exit();
