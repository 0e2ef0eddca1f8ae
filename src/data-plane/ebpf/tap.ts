import { ringBytes, tappedOffsets, tappedV6 } from "./layout.ts";

/** The ring as this process sees it: the page with its own position, and the kernel's page with the data, twice, behind it. */
export interface RingMemory {
  readonly consumer: ArrayBuffer;
  readonly producer: ArrayBuffer;
  /** Bytes before the data in `producer`. */
  readonly dataOffset: number;
}

/** Which holes the kernel sent a packet to: those of one list that were linked when it had this count. */
export interface Walked {
  readonly fanout: number;
  readonly family: 4 | 6;
  readonly linked: number;
}

/** What the kernel carried out of sight, packet by packet. */
export interface Tap {
  /**
   * Hands on what is in the ring, oldest first, at most this many packets. Returns how many there were.
   * @param onPacket `bytes` is the kernel's own memory: valid during the call only, and not to be written
   */
  drain(most: number, onPacket: (walked: Walked, bytes: Uint8Array, kernelMs: number) => void): number;
  /** Forgets what is in the ring. */
  skip(): void;
}

/** BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT and BPF_RINGBUF_HDR_SZ of <linux/bpf.h>. */
const [busy, discarded, headerBytes] = [0x8000_0000, 0x4000_0000, 8];

/** The words of a record, from its start. */
const [arrivedLow, fanoutWord, linkedWord] = [tappedOffsets.arrived, tappedOffsets.fanout, tappedOffsets.linked].map(
  (offset) => (headerBytes + offset) / 4,
) as [number, number, number];
const arrivedHigh = arrivedLow + 1;

/**
 * Reads a BPF ring buffer (Documentation/bpf/ringbuf.rst): records of a length in 4 bytes, 4 bytes of the kernel's own and
 * the data, in steps of 8 bytes. The data is mapped twice in a row, so that none is in two parts.
 * @param bytes the ring's size, a power of two; default: that of the plane's
 */
export function openTap({ consumer, producer, dataOffset }: RingMemory, bytes: number = ringBytes): Tap {
  const [taken, written] = [new BigUint64Array(consumer, 0, 1), new BigUint64Array(producer, 0, 1)];
  const words = new Uint32Array(producer, dataOffset);
  let at = Number(Atomics.load(taken, 0));

  return {
    drain(most, onPacket) {
      const end = Number(Atomics.load(written, 0));
      let handed = 0;
      if (at === end) return handed;
      try {
        let offset = at % bytes;
        while (at < end && handed < most) {
          const record = offset >> 2;
          const head = Atomics.load(words, record);
          // The kernel is still writing it: what follows waits, so that the order stays.
          if (head >= busy) return handed;
          const start = offset + headerBytes + tappedOffsets.size;
          const step = (headerBytes + (head & ~discarded) + 7) & ~7;
          at += step;
          offset = (offset + step) & (bytes - 1);
          if (head & discarded) continue;
          handed += 1;
          const kernelMs = ((words[record + arrivedHigh] ?? 0) * 2 ** 32 + (words[record + arrivedLow] ?? 0)) / 1e6;
          // The length is the upper half of the fan-out's word.
          const word = words[record + fanoutWord] ?? 0;
          const packet = new Uint8Array(producer, dataOffset + start, word >>> 16);
          const [fanout, family] = [word & (tappedV6 - 1), word & tappedV6 ? 6 : 4] as const;
          onPacket({ fanout, family, linked: words[record + linkedWord] ?? 0 }, packet, kernelMs);
        }
      } finally {
        Atomics.store(taken, 0, BigInt(at));
      }
      return handed;
    },
    skip() {
      at = Number(Atomics.load(written, 0));
      Atomics.store(taken, 0, BigInt(at));
    },
  };
}
