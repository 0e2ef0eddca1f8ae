import { readdir, readFile, readlink } from "node:fs/promises";
import { PunchcastError } from "../core/errors.ts";
import { openUdpSocket } from "../udp/udp-socket.ts";
import type { RelayNeed } from "./check.ts";
import type { PortFact, PortTrial } from "./facts.ts";
import { attempt } from "./run-command.ts";

/** Binds every port on every address with the buffers that the relay asks for, and releases it at once. Sends nothing. */
export async function tryPorts({ addresses, ports, bufferBytes }: RelayNeed): Promise<PortFact[]> {
  const facts: PortFact[] = [];
  let holderIsKnown = false;
  for (const address of addresses) {
    for (const { port, purpose } of ports) {
      const trial = await tryPort(address, port, purpose, bufferBytes);
      // Looking through every process is slow, and the first port that is taken tells by whom.
      const holder: string | undefined = trial.free || holderIsKnown ? undefined : await findHolder(port);
      holderIsKnown ||= holder !== undefined;
      facts.push({ address, port, trial: trial.free ? trial : { ...trial, holder } });
    }
  }
  return facts;
}

async function tryPort(address: string, port: number, purpose: string, bufferBytes: number): Promise<PortTrial> {
  try {
    const socket = await openUdpSocket({ address, port, purpose, bufferBytes, onDatagram: () => {} });
    const buffers = socket.buffers();
    await socket.close();
    return { free: true, ...buffers };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { free: false, code: error instanceof PunchcastError ? error.code : "INTERNAL", message, holder: undefined };
  }
}

/** Who has a UDP port, as far as /proc tells this user. */
async function findHolder(port: number): Promise<string | undefined> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  for (const table of ["/proc/net/udp", "/proc/net/udp6"]) {
    const lines = await attempt(() => readFile(table, "utf8"));
    if (!lines.ok) continue;
    // sl local:port remote:port st tx:rx tr:when retrnsmt uid timeout inode (proc_net_udp(5))
    const fields = lines.value.split("\n").map((line) => line.trim().split(/\s+/));
    const entry = fields.find(([, local]) => local?.endsWith(`:${hex}`));
    if (entry === undefined) continue;
    const [uid, inode] = [entry[7], entry[9]];
    return (await findProcess(`socket:[${inode}]`)) ?? `a process of user ${uid}`;
  }
  return undefined;
}

async function findProcess(socket: string): Promise<string | undefined> {
  const names = await attempt(() => readdir("/proc"));
  for (const pid of names.ok ? names.value.filter((name) => /^\d+$/.test(name)) : []) {
    const files = await attempt(() => readdir(`/proc/${pid}/fd`));
    if (!files.ok) continue;
    const links = await Promise.all(files.value.map((fd) => attempt(() => readlink(`/proc/${pid}/fd/${fd}`))));
    if (!links.some((link) => link.ok && link.value === socket)) continue;
    const name = await attempt(() => readFile(`/proc/${pid}/comm`, "utf8"));
    return `${name.ok ? name.value.trim() : "a process"} (pid ${pid})`;
  }
  return undefined;
}
