import { readFile } from "node:fs/promises";

/** Where Linux lists the UDP sockets of this network namespace (proc(5)). */
const tables = ["/proc/net/udp", "/proc/net/udp6"];

/**
 * Kernel memory that datagrams take up which came to these local UDP ports and have not been read yet, in bytes: that of
 * the fullest port. More than the datagrams' own bytes, since it is what the socket's buffer is measured by.
 * `undefined` where the system does not tell, which is everywhere but on Linux.
 */
export async function fullestReceiveQueue(ports: ReadonlySet<number>): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  const texts = await Promise.all(tables.map((path) => readFile(path, "latin1").catch(() => "")));
  return texts.join("") === "" ? undefined : fullestOf(texts.join("\n"), ports);
}

/** The same from the tables' text; their columns are `sl local_address rem_address st tx_queue:rx_queue`, in hexadecimal. */
export function fullestOf(text: string, ports: ReadonlySet<number>): number {
  let fullest = 0;
  for (const [, port = "", queued = ""] of text.matchAll(
    /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ \S+ [0-9A-F]+:([0-9A-F]+) /gm,
  )) {
    if (ports.has(Number.parseInt(port, 16))) fullest = Math.max(fullest, Number.parseInt(queued, 16));
  }
  return fullest;
}
