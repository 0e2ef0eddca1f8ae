import { addressToBytes, type Endpoint } from "../../core/address.ts";
import type { Flow } from "../../relay/forwarding.ts";

/** Told apart from other layouts, so that a relay adopts only what it understands. Counts up with every change of bpf/tables.h. */
export const layoutVersion = 4;

/** One map as fanout.bpf.c names it. `shared` maps are memory that this process sees, too. */
export interface MapDefinition {
  readonly name: string;
  readonly kind: "array" | "hash" | "lru" | "ring";
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Of a ring: its bytes. */
  readonly entries: number;
  readonly shared: boolean;
}

const array = (name: string, valueBytes: number, entries: number): MapDefinition => {
  return { name, kind: "array", keyBytes: 4, valueBytes, entries, shared: true };
};
const table = (
  name: string,
  kind: "hash" | "lru",
  keyBytes: number,
  valueBytes: number,
  entries: number,
): MapDefinition => {
  return { name, kind, keyBytes, valueBytes, entries, shared: false };
};

/**
 * Slots for holes. Twice the relay's default limit of 16,384: a slot rests for a second after its hole closed. 4 MB in all;
 * what has no slot is served from user space.
 */
export const holeSlots = 32_768;
/** Components that the kernel can serve: 1,000 streams of four. */
export const fanoutSlots = 4_096;

/**
 * Bytes of the ring that shows user space what the kernel carried: what a socket's buffer holds, 30 ms of a gigabit. Not less,
 * since the process may be busy elsewhere for as long; not more, since the kernel never gives the memory to anything else. A
 * power of two, and whole pages on every processor.
 */
export const ringBytes: number = 4 << 20;

/** The name of a map. */
export type MapName =
  | "flows"
  | "holes"
  | "fanouts"
  | "viewers"
  | "listening"
  | "buckets"
  | "unfanned"
  | "config"
  | "tap";

/** Every map, in the order in which they are made. */
export const mapDefinitions: Readonly<Record<MapName, MapDefinition>> = {
  flows: table("flows", "hash", 40, 8, 8_192),
  holes: array("holes", 128, holeSlots),
  fanouts: array("fanouts", 128, fanoutSlots),
  viewers: table("viewers", "hash", 20, 4, holeSlots),
  listening: table("listening", "hash", 20, 4, 65_536),
  // A flood from more prefixes than this at once has its oldest buckets forgotten; each is 80 bytes.
  buckets: table("buckets", "lru", 20, 8, 16_384),
  // As many packets as a socket's 4 MB can hold before user space has seen them.
  unfanned: table("unfanned", "lru", 40, 16, 8_192),
  config: array("config", 64, 1),
  tap: { name: "tap", kind: "ring", keyBytes: 0, valueBytes: 0, entries: ringBytes, shared: false },
};

/** Offsets into a slot of `holes`, in bytes. */
export const holeOffsets = {
  local: 0,
  remote: 16,
  localPort: 32,
  remotePort: 34,
  next: 36,
  expires: 40,
  id: 48,
  fanout: 56,
  sum: 60,
  packets: 64,
  bytes: 72,
  drops: 80,
  leftFrom: 88,
  leftUntil: 96,
} as const;

/** Offsets into a slot of `fanouts`, in bytes. */
export const fanoutOffsets = {
  head4: 0,
  head6: 8,
  id: 16,
  packets: 24,
  bytes: 32,
  reasons: 40,
  unseenPackets: 88,
  unseenBytes: 96,
  untapped: 104,
} as const;

/**
 * Where the packets go that the kernel sent to every hole: up to the socket all the same, up and written down with the holes
 * that it was sent to, nowhere, or nowhere but into the ring. The words are the kernel's flags.
 */
export const originals = { up: 0, marked: 4, nowhere: 1, ring: 3 } as const;

/** One of the four. */
export type Originals = keyof typeof originals;

/** Those that are wanted for long: what is written down is for a while only. */
export type WantedOriginals = Exclude<Originals, "marked">;

/** Offsets into what stands before each packet in the ring, and its bytes. */
export const tappedOffsets = { arrived: 0, fanout: 8, length: 10, linked: 12, size: 16 } as const;

/** Set in a ring packet's `fanout` if it walked along the list of IPv6. */
export const tappedV6 = 0x8000;

/** Why the kernel did not send, in the order of the counters; of the first four user space sends instead. */
export const notSentReasons = ["no-route", "no-neighbour", "too-big", "no-ethernet", "queue-full", "expired"] as const;

/** One of them. */
export type NotSentReason = (typeof notSentReasons)[number];

/** Offsets into a record of `unfanned`. */
export const recordOffsets = { when: 0, linked: 8, how: 12 } as const;

/** What it says: sent to nobody; sent to every hole that was linked by then; sent to those but for some. */
export const recordKinds = { whole: 0, walked: 1, partly: 2 } as const;

/** Offsets into `config`, in bytes. */
export const configOffsets = { version: 0, interval: 8, burst: 16, unfanned: 24, limited: 32, switches: 56 } as const;

/** What a flow's packets are, beside media. */
export const flowFlags = { upOnly: 1, hasStun: 2 } as const;

/** What a port of the relay is for, in `listening`. */
export const portKinds = { punch: 1, ingest: 2 } as const;

/** Writes an address as 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export function writeAddress(into: Uint8Array, offset: number, address: string): void {
  const bytes = addressToBytes(address) ?? new Uint8Array(16);
  into.fill(0, offset, offset + 16);
  if (bytes.length === 4) into.fill(0xff, offset + 10, offset + 12);
  into.set(bytes, offset + 16 - bytes.length);
}

/** The sum of an Internet checksum (RFC 1071) over whole 16-bit words, in this host's byte order as the kernel keeps it. */
export function checksumSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Writes a port in network order. */
export function writePort(into: Uint8Array, offset: number, port: number): void {
  into[offset] = port >> 8;
  into[offset + 1] = port & 0xff;
}

/** The key of `viewers` and `listening`. */
export function endpointKey({ address, port }: Endpoint): Buffer {
  const key = Buffer.alloc(20);
  writeAddress(key, 0, address);
  writePort(key, 16, port);
  return key;
}

/** The key of `flows`. */
export function flowKey({ publisher, local }: Flow): Buffer {
  const key = Buffer.alloc(40);
  writeAddress(key, 0, publisher.address);
  writeAddress(key, 16, local.address);
  writePort(key, 32, publisher.port);
  writePort(key, 34, local.port);
  return key;
}

/** The key of `unfanned`: what user space can tell of a packet as well as the kernel. */
export function printKey({ publisher, local }: Flow, bytes: Uint8Array): Buffer {
  const key = Buffer.alloc(40);
  writeAddress(key, 0, publisher.address);
  writePort(key, 16, publisher.port);
  writePort(key, 18, local.port);
  key.writeUInt16LE(bytes.length & 0xffff, 20);
  key.set(bytes.subarray(0, 16), 24);
  return key;
}
