import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where captures of real senders lie, if this machine has them: beside the repository, or where the variable says. */
const directory = process.env.PUNCHCAST_CAPTURES ?? join(import.meta.dirname, "../../../shared/captures");

/** The file's path and `skip: false`, or why a test that needs it is skipped. */
export function capture(name: string): { path: string; skip: string | false } {
  const path = join(directory, name);
  return { path, skip: existsSync(path) ? false : `${path} is not on this machine` };
}

/** A UDP datagram of a capture. */
export interface CapturedDatagram {
  /** Milliseconds since the first one. */
  readonly atMs: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** The IPv4 UDP datagrams of a pcap file of Ethernet frames, in the order of their times. */
export function readPcap(path: string): CapturedDatagram[] {
  const file = readFileSync(path);
  const magic = file.readUInt32LE(0);
  const nanoseconds = magic === 0xa1b23c4d;
  if (!nanoseconds && magic !== 0xa1b2c3d4) throw new Error(`${path} is no little-endian pcap file`);
  const datagrams: CapturedDatagram[] = [];
  for (let at = 24; at + 16 <= file.length; ) {
    const atMs = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / (nanoseconds ? 1e6 : 1e3);
    const frame = file.subarray(at + 16, at + 16 + file.readUInt32LE(at + 8));
    at += 16 + frame.length;
    if (frame.length < 42 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== 17) continue;
    const udp = 14 + ((frame[14] ?? 0) & 0x0f) * 4;
    const payload = Uint8Array.from(frame.subarray(udp + 8, udp + frame.readUInt16BE(udp + 4)));
    datagrams.push({ atMs, destinationPort: frame.readUInt16BE(udp + 2), payload });
  }
  datagrams.sort((a, b) => a.atMs - b.atMs);
  const startMs = datagrams[0]?.atMs ?? 0;
  return datagrams.map((datagram) => ({ ...datagram, atMs: datagram.atMs - startMs }));
}
