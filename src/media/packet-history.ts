import { classifyDatagram } from "../rtp/demux.ts";
import { readUint16, readUint32 } from "../rtp/wire.ts";
import { createPacketRing, type RingPacket } from "./packet-ring.ts";

/** How much of a component is kept. */
export interface PacketHistoryOptions {
  /**
   * Milliseconds that a packet is kept. Default 1000: three tries over the slowest usual round trip. More would repair
   * what players no longer wait for.
   */
  readonly maxAgeMs?: number;
  /** Bytes of all packets kept. Default 4 MiB: a second of 32 Mbit/s. The memory grows with what is used. */
  readonly maxBytes?: number;
}

/** The RTP packets of one component that came last. */
export interface PacketHistory {
  /** Copies a packet in; what is not RTP, or larger than `maxBytes`, is left out. `now` in ms of a monotonic clock. */
  add(bytes: Uint8Array, now: number): void;
  /** The newest packet with this SSRC and number, if it is still kept: a view that holds until the next `add`. */
  find(ssrc: number, sequenceNumber: number, now: number): Uint8Array | undefined;
}

/** Finds RTP packets that are kept elsewhere under ids, which only grow. */
export interface PacketIndex {
  /** Notes a packet; what is not RTP is left out. */
  add(id: number, bytes: Uint8Array): void;
  /** As a history's. */
  find(ssrc: number, sequenceNumber: number, now: number): Uint8Array | undefined;
}

/** The ring has one lane. */
const lane = 0;

/** Packets that an index tells apart at most, a power of two: more than 4 MiB of the smallest (RFC 3550 §5.1). */
const places = 2 ** 17;

/** An empty history. */
export function createPacketHistory(options: PacketHistoryOptions = {}): PacketHistory {
  const { maxAgeMs = 1_000, maxBytes = 4 << 20 } = options;
  const ring = createPacketRing(maxBytes);
  const index = createPacketIndex((id) => ring.get(lane, id), maxAgeMs);
  return {
    add(bytes, now) {
      if (classifyDatagram(bytes) !== "rtp") return;
      ring.dropOlder(now - maxAgeMs);
      index.add(ring.push(lane, bytes, now), bytes);
    },
    find: index.find,
  };
}

/**
 * An empty index of what `packetOf` still has. Ids are in the order of arrival, whatever the packets' numbers do; a chain
 * through the packets with equal numbers tells SSRCs apart.
 */
export function createPacketIndex(packetOf: (id: number) => RingPacket | undefined, maxAgeMs: number): PacketIndex {
  /** For each packet, by its place, the id plus one of the packet before it with the same number; 0 for none. */
  const before = new Uint32Array(places);
  /** For each number the same of its newest packet. Not cleared: whoever reads it looks at the packet. */
  const newest = new Uint32Array(0x1_0000);

  return {
    add(id, bytes) {
      if (classifyDatagram(bytes) !== "rtp") return;
      const number = readUint16(bytes, 2);
      before[id % places] = newest[number] ?? 0;
      newest[number] = id + 1;
    },

    find(ssrc, sequenceNumber, now) {
      for (let id = (newest[sequenceNumber] ?? 0) - 1; id >= 0; ) {
        const packet = packetOf(id);
        if (packet === undefined || now - packet.atMs > maxAgeMs) return undefined;
        const { bytes } = packet;
        if (readUint16(bytes, 2) === sequenceNumber && readUint32(bytes, 8) === ssrc) return bytes;
        const next = (before[id % places] ?? 0) - 1;
        // Out of the order of arrival: the place has been given to another packet.
        if (next >= id) return undefined;
        id = next;
      }
      return undefined;
    },
  };
}
