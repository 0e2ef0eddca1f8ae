import { type Decoded, decoded, malformed } from "../../../core/result.ts";
import { type Libc, loadLibc } from "../../../udp/native/libc.ts";
import { allocate } from "../../../udp/native/memory.ts";
import type { Count } from "../mapping.ts";

/** A counter of a table, as the kernel has it: with IP and UDP headers. */
export interface NamedCount extends Count {
  readonly name: string;
}

/** Why a dump cannot be used; `interrupted`: the table was changed meanwhile, so counters may be missing. */
export type BadDump = "truncated" | "refused" | "interrupted";

/** Counters of a part of a dump, and whether it was the last. */
export interface DumpPart {
  readonly counters: readonly NamedCount[];
  readonly isLast: boolean;
}

/** <linux/netlink.h>: the header, the types of its messages, and flags of requests and answers. */
const headerBytes = 16;
const [errorType, doneType] = [2, 3] as const;
const [requestFlag, interruptedFlag, dumpFlags] = [0x1, 0x10, 0x300] as const;
/** <linux/netfilter/nfnetlink.h>: the header of nfnetlink, the subsystem of nftables, and NFPROTO_INET. */
const [familyBytes, subsystem, inet] = [4, 10, 1] as const;
/** <linux/netfilter/nf_tables.h>: messages, attributes of objects and of counters, and NFT_OBJECT_COUNTER. */
const [newObject, getObject] = [(subsystem << 8) | 18, (subsystem << 8) | 19] as const;
const [tableAttribute, nameAttribute, typeAttribute, dataAttribute, counterObject] = [1, 2, 3, 4, 1] as const;
const [bytesAttribute, packetsAttribute] = [1, 2] as const;

/** The netlink request for all counters of a table of the family inet. */
export function encodeCounterDump(table: string): Uint8Array {
  const name = Buffer.from(`${table}\0`);
  const type = Buffer.alloc(4);
  type.writeUInt32BE(counterObject);
  const body = Buffer.concat([
    Buffer.of(inet, 0, 0, 0),
    attribute(tableAttribute, name),
    attribute(typeAttribute, type),
  ]);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(headerBytes + body.length, 0);
  header.writeUInt16LE(getObject, 4);
  header.writeUInt16LE(requestFlag | dumpFlags, 6);
  return Buffer.concat([header, body]);
}

/** What one read of the answers holds. */
export function decodeCounterDump(bytes: Uint8Array): Decoded<DumpPart, BadDump> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const counters: NamedCount[] = [];
  for (let at = 0; at < all.length; ) {
    if (at + headerBytes > all.length) return malformed("truncated");
    const [length, type, flags] = [all.readUInt32LE(at), all.readUInt16LE(at + 4), all.readUInt16LE(at + 6)];
    if (length < headerBytes || at + length > all.length) return malformed("truncated");
    if (type === errorType) return malformed("refused");
    if ((flags & interruptedFlag) !== 0) return malformed("interrupted");
    if (type === doneType) return decoded({ counters, isLast: true });
    if (type === newObject) {
      const object = attributes(all.subarray(at + headerBytes + familyBytes, at + length));
      const data = attributes(object.get(dataAttribute) ?? Buffer.alloc(0));
      const [packets, octets] = [data.get(packetsAttribute), data.get(bytesAttribute)];
      const name = object.get(nameAttribute);
      if (name === undefined || packets?.length !== 8 || octets?.length !== 8) return malformed("truncated");
      counters.push({
        name: name.toString("latin1").replace(/\0.*$/s, ""),
        packets: Number(packets.readBigUInt64BE()),
        bytes: Number(octets.readBigUInt64BE()),
      });
    }
    at += padded(length);
  }
  return decoded({ counters, isLast: false });
}

/** Netlink attributes are filled up to 4 bytes. */
const padded = (length: number): number => (length + 3) & ~3;

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(padded(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** By type, without the flags in its two highest bits; what does not fit is left out. */
function attributes(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += padded(length);
  }
  return found;
}

/** AF_NETLINK, NETLINK_NETFILTER, and SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK (x86-64 and arm64 alike). */
const [netlink, netfilter, rawSocket] = [16, 12, 3 | 0x80000 | 0x800] as const;

/** The kernel answers with at most 32 KiB at a time: with less room it would send less, with more no more. */
const answerBytes = 32 * 1_024;

/**
 * Asks the kernel itself for the counters of an inet table, in some 50 µs where a process of `nft` takes 5 ms. `undefined`
 * where that is not possible: no koffi for this host, no right, or a table that is changing at the moment.
 */
export async function dumpCounters(table: string): Promise<readonly NamedCount[] | undefined> {
  const libc = await loadLibc();
  return libc && readDump(libc, table);
}

function readDump(libc: Libc, table: string): readonly NamedCount[] | undefined {
  const fd = libc.socket(netlink, rawSocket, netfilter);
  if (fd < 0) return undefined;
  const memory = allocate(libc, answerBytes);
  try {
    const request = encodeCounterDump(table);
    if (libc.sendto(fd, request, request.length, 0, 0, 0) < 0) return undefined;
    const counters: NamedCount[] = [];
    for (;;) {
      // What there is of an answer is there when the request returns: nothing to wait for.
      const size = libc.read(fd, memory.address, memory.size);
      if (size <= 0) return undefined;
      const part = decodeCounterDump(memory.u8.subarray(0, size));
      if (!part.ok) return undefined;
      counters.push(...part.value.counters);
      if (part.value.isLast) return counters;
    }
  } finally {
    memory.free();
    libc.close(fd);
  }
}
