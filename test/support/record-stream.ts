import { spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { CapturedDatagram } from "./captures.ts";
import { freePortRow } from "./udp-ports.ts";

/** A program that sends for a bounded time to 127.0.0.1 from `port` on, and ends by itself. */
export type SenderCommand = (port: number) => readonly [program: string, ...args: string[]];

/** Longer than any sender here sends, on a busy machine. */
const maxRunMs = 20_000;

/** Runs a sender and keeps what it sends to `ports` ports in a row; ports in the result count from 0. */
export async function recordStream(command: SenderCommand, ports = 2): Promise<CapturedDatagram[]> {
  const first = await freePortRow(ports, "127.0.0.1");
  const datagrams: CapturedDatagram[] = [];
  let startMs: number | undefined;
  const sockets: Socket[] = [];
  try {
    for (let i = 0; i < ports; i += 1) {
      const socket = createSocket({ type: "udp4", recvBufferSize: 1_000_000 });
      sockets.push(socket);
      socket.on("message", (payload) => {
        const now = performance.now();
        startMs ??= now;
        datagrams.push({ atMs: now - startMs, destinationPort: i, payload: Uint8Array.from(payload) });
      });
      socket.bind(first + i, "127.0.0.1");
      await once(socket, "listening");
    }
    const [program, ...args] = command(first);
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], timeout: maxRunMs });
    let complaint = "";
    child.stderr.on("data", (chunk) => {
      complaint += chunk;
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${complaint.slice(-500)}`);
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    for (const socket of sockets) socket.close();
  }
  return datagrams;
}
