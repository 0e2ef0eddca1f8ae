/* Many viewers in one process: WATCH-URL COUNT. Says how long they took to join; ends when its standard input does, and says what they received. */
import { once } from "node:events";
import { systemClock } from "../../src/core/clock.ts";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { systemRandom } from "../../src/core/random.ts";
import { openPunchedSocket, type PunchedSocket } from "../../src/punch/punched-socket.ts";
import { createStunMachine } from "../../src/punch/stun-machine.ts";

const url = parsePunchUrl(process.argv[2] ?? "");
const count = Number(process.argv[3]);
const received = new Uint32Array(count);
const tookMs = new Map<number, number>();
const all = Promise.withResolvers<void>();
const sockets: PunchedSocket[] = [];
for (let viewer = 0; viewer < count; viewer += 1) {
  const session = viewer.toString(16).padStart(16, "0");
  const machine = createStunMachine({
    role: "viewer",
    component: 0,
    session,
    username: url.stream,
    password: url.key,
    random: systemRandom,
  });
  const startedAt = performance.now();
  const socket = await openPunchedSocket({
    ...{
      relay: { address: url.host, port: url.port },
      localPort: 0,
      machine,
      clock: systemClock,
      bufferBytes: 4 << 20,
    },
    onPunch: (event) => {
      if (event.type === "granted" && !tookMs.has(viewer)) tookMs.set(viewer, performance.now() - startedAt);
      if (tookMs.size === count) all.resolve();
    },
    onMedia: () => {
      received[viewer] = (received[viewer] ?? 0) + 1;
    },
  });
  sockets.push(socket);
}
await all.promise;
const sorted = [...tookMs.values()].sort((a, b) => a - b);
console.log(
  JSON.stringify({ event: "ready", joinP50Ms: sorted[Math.floor(count / 2)] ?? 0, joinMostMs: sorted.at(-1) ?? 0 }),
);
process.stdin.resume();
await once(process.stdin, "end");
const most = Math.max(...received);
const total = received.reduce((sum, packets) => sum + packets, 0);
console.log(
  JSON.stringify({ event: "received", received: total, missing: received.filter((packets) => packets < most).length }),
);
await Promise.all(sockets.map((socket) => socket.close()));
