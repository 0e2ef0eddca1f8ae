import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** The first of `count` consecutive UDP ports that are free on `host` now. */
export async function freePortRow(count: number, host: string): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const sockets: Socket[] = [];
    try {
      let first = 0;
      for (let i = 0; i < count; i++) {
        const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
        sockets.push(socket);
        socket.bind(first === 0 ? 0 : first + i, host);
        await once(socket, "listening");
        if (i === 0) first = socket.address().port;
      }
      return first;
    } catch {
      // Another port of the row is taken: try elsewhere.
    } finally {
      for (const socket of sockets) socket.close();
    }
  }
  throw new Error(`no ${count} free UDP ports in a row`);
}

/** Resolves when some process listens on all these UDP ports (Linux); rejects after ten seconds. */
export async function untilBound(ports: readonly number[]): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const tables = await Promise.all(["/proc/net/udp", "/proc/net/udp6"].map((path) => readFile(path, "utf8")));
    const bound = new Set(
      Array.from(tables.join("\n").matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm), ([, hex]) =>
        Number.parseInt(hex ?? "", 16),
      ),
    );
    if (ports.every((port) => bound.has(port))) return;
    await delay(50);
  }
  throw new Error(`nobody listens on UDP ports ${ports.join(", ")}`);
}
