import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { workerData } from "node:worker_threads";
import { encodePunch } from "../../src/stun/attributes/punch.ts";
import { encodeMessage } from "../../src/stun/message.ts";
import { punchRequest } from "../support/punch-request.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** What the worker is told. `counters`: [0] datagrams the relay has taken, [1] sent, [2] nonzero to stop. */
export interface BlasterData {
  readonly punchPort: number;
  readonly ingestPorts: readonly number[];
  readonly total: number;
  readonly counters: Int32Array;
}

const { punchPort, ingestPorts, total, counters }: BlasterData = workerData;
const random = createSeededRandom(42);
const number = (below: number): number => {
  const [a = 0, b = 0, c = 0] = random.bytes(3);
  return ((a << 16) | (b << 8) | c) % below;
};

/** The relay is never more than this far behind, so that what is tested is the relay and not the kernel's queue. */
const aheadMax = 400;

const signed = punchRequest({
  challenge: { nonce: Buffer.from("obMatJos2AAADAAAAAAAAAAAAAAAA"), algorithms: new Uint8Array(8) },
});
const indication = encodeMessage({
  messageClass: "indication",
  method: 1,
  transactionId: new Uint8Array(12),
  attributes: [{ type: 0xca57, value: encodePunch({ role: "publisher", component: 3, session: "f".repeat(16) }, 10) }],
});
const rtp = Uint8Array.of(0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, ...random.bytes(88));
const rtcp = Uint8Array.of(0x81, 200, 0, 6, ...random.bytes(24));
const models = [
  punchRequest(),
  signed,
  punchRequest({ challenge: undefined, leaves: true } as object),
  indication,
  rtp,
  rtcp,
  Buffer.from("0"),
];

/** Random bytes, or a model with some of its bytes changed and sometimes its end cut off. */
function datagram(): Uint8Array {
  const model = models[number(models.length + 2)];
  if (model === undefined) return random.bytes(number(200));
  const bytes = Uint8Array.from(model);
  for (let changes = number(5); changes > 0; changes -= 1) bytes[number(bytes.length)] = number(256);
  return number(4) === 0 ? bytes.subarray(0, number(bytes.length + 1)) : bytes;
}

// Made beforehand: what is measured is the relay. Each one is changed once more when it is sent.
const pool = Array.from({ length: 8_192 }, datagram);
const sockets: Socket[] = [];
for (let i = 0; i < 32; i += 1) {
  const socket = createSocket("udp4");
  // Of many /24 prefixes, so that the rate limiter does not spare the relay its work; never of the publisher's address.
  socket.bind(0, `127.0.${1 + i}.1`);
  await once(socket, "listening");
  sockets.push(socket);
}
const ports = [punchPort, ...ingestPorts];
let sent = 0;
while (sent < total && Atomics.load(counters, 2) === 0) {
  const room = aheadMax - (sent - Atomics.load(counters, 0));
  for (let i = 0; i < Math.min(room, 100, total - sent); i += 1) {
    const bytes = pool[number(pool.length)] ?? rtp;
    if (bytes.length > 8) bytes[8 + number(bytes.length - 8)] = number(256);
    const port = number(2) === 0 ? punchPort : (ports[number(ports.length)] ?? punchPort);
    sockets[number(sockets.length)]?.send(bytes, port, "127.0.0.1");
    sent += 1;
  }
  Atomics.store(counters, 1, sent);
  await (room < 50 ? wait(1) : new Promise((resolve) => setImmediate(resolve)));
}
for (const socket of sockets) socket.close();
