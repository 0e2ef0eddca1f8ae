import { classifyDatagram } from "../rtp/demux.ts";
import { readUint16, readUint32 } from "../rtp/wire.ts";

/** How much of a component is kept. */
export interface PacketHistoryOptions {
  /**
   * Milliseconds that a packet is kept. Default 1000: three tries over the slowest usual round trip. More would repair
   * what players no longer wait for.
   */
  readonly maxAgeMs?: number;
  /** Bytes of all packets kept. Default 4 MiB: a second of 32 Mbit/s. The system gives memory for what is used only. */
  readonly maxBytes?: number;
}

/** The RTP packets of one component that came last. */
export interface PacketHistory {
  /** Copies a packet in; what is not RTP, or larger than `maxBytes`, is left out. `now` in ms of a monotonic clock. */
  add(bytes: Uint8Array, now: number): void;
  /** The newest packet with this SSRC and number, if it is still kept: a view that holds until the next `add`. */
  find(ssrc: number, sequenceNumber: number, now: number): Uint8Array | undefined;
}

/** One place for every 256 bytes: few packets of a stream that is worth repairing are smaller. */
const bytesPerPlace = 256;

/**
 * An empty history: one ring of bytes and one of places (columns, so that a packet makes no garbage). Packets lie whole and
 * in the order of arrival, whatever their numbers do; a chain through the packets with equal numbers tells SSRCs apart.
 */
export function createPacketHistory(options: PacketHistoryOptions = {}): PacketHistory {
  const { maxAgeMs = 1_000, maxBytes = 4 << 20 } = options;
  const places = 2 ** Math.max(4, Math.ceil(Math.log2(maxBytes / bytesPerPlace)));
  const ring = new Uint8Array(maxBytes);
  const starts = new Uint32Array(places);
  const lengths = new Uint32Array(places);
  const ssrcs = new Uint32Array(places);
  const arrivals = new Float64Array(places);
  const numbers = new Uint16Array(places);
  /** The place, plus one, of the packet with the same number before; 0 for none. */
  const before = new Uint32Array(places);
  /** For each number the place, plus one, of its newest packet. Not cleared: whoever reads it checks the place. */
  const newest = new Uint32Array(0x1_0000);
  let oldest = 0;
  let count = 0;
  let writeAt = 0;

  function dropOldest(): void {
    oldest = (oldest + 1) % places;
    count -= 1;
  }

  /** Frees `length` bytes in one piece and returns where they begin. */
  function makeRoom(length: number): number {
    if (writeAt + length > maxBytes) {
      while (count > 0 && (starts[oldest] ?? 0) >= writeAt) dropOldest();
      writeAt = 0;
    }
    const end = writeAt + length;
    for (; count > 0; dropOldest()) {
      const start = starts[oldest] ?? 0;
      if (start < writeAt || start >= end) break;
    }
    const start = writeAt;
    writeAt = end;
    return start;
  }

  return {
    add(bytes, now) {
      const { length } = bytes;
      if (length > maxBytes || classifyDatagram(bytes) !== "rtp") return;
      if (count === places) dropOldest();
      const start = makeRoom(length);
      const place = (oldest + count) % places;
      const number = readUint16(bytes, 2);
      ring.set(bytes, start);
      starts[place] = start;
      lengths[place] = length;
      ssrcs[place] = readUint32(bytes, 8);
      arrivals[place] = now;
      numbers[place] = number;
      before[place] = newest[number] ?? 0;
      newest[number] = place + 1;
      count += 1;
    },

    find(ssrc, sequenceNumber, now) {
      let limit = count;
      for (let link = newest[sequenceNumber] ?? 0; link > 0; ) {
        const place = link - 1;
        const age = (place - oldest + places) % places;
        // A place that was given to another packet, or out of the order of arrival, ends the chain.
        if (age >= limit || numbers[place] !== sequenceNumber) return undefined;
        if (now - (arrivals[place] ?? 0) > maxAgeMs) return undefined;
        if (ssrcs[place] === ssrc) {
          const start = starts[place] ?? 0;
          return ring.subarray(start, start + (lengths[place] ?? 0));
        }
        limit = age;
        link = before[place] ?? 0;
      }
      return undefined;
    },
  };
}
