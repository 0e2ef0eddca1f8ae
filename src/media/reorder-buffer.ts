import { classifyDatagram } from "../rtp/demux.ts";
import { createSourceTable } from "../rtp/source-table.ts";
import { readUint16, readUint32 } from "../rtp/wire.ts";
import { SequenceWindow } from "./sequence-window.ts";

/** How to put packets in order. */
export interface ReorderBufferOptions {
  /** How long a packet waits for those missing before it, in ms. 0: not at all, and only duplicates are taken out. */
  readonly latencyMs: number;
  /** Takes what leaves, in the order in which it leaves. */
  readonly deliver: (bytes: Uint8Array) => void;
}

/** Totals since the start. */
export interface ReorderCounters {
  /** Packets that had come already: dropped. */
  readonly duplicates: number;
  /** Packets that came after their place had been passed over: handed on all the same, for players that reorder. */
  readonly late: number;
}

/** Puts the packets of one component in order. */
export interface ReorderBuffer {
  /** Takes a packet, which belongs to the buffer from then on. `now` in ms of a monotonic clock. */
  push(bytes: Uint8Array, now: number): void;
  /** Lets go what has waited long enough. */
  release(now: number): void;
  /** When `release` has something to do, `Infinity` for never. */
  wakeAt(): number;
  /** Lets go everything. */
  flush(): void;
  counters(): ReorderCounters;
}

interface Held {
  readonly bytes: Uint8Array;
  readonly arrivedAt: number;
}

interface Lane {
  readonly window: SequenceWindow;
  /** By extended number, in the order of arrival. */
  readonly held: Map<number, Held>;
  /** The number whose packet may leave. */
  next: number;
}

/** Packets held of one source: a second at 20 Mbit/s. Beyond that the gap is given up, since memory is worth more. */
const heldMax = 2_048;

/**
 * A buffer that adds no delay of its own: a packet leaves at once when nothing before it is missing. What is not RTP, and
 * what belongs to no sequence, passes straight through; a source that begins anew does not wait for its old packets.
 */
export function createReorderBuffer(options: ReorderBufferOptions): ReorderBuffer {
  const { latencyMs, deliver } = options;
  const lanes = createSourceTable<Lane>(
    () => {
      // A new source takes the place of an old one: what that still waits for will not come.
      flush();
      return { window: new SequenceWindow(), held: new Map(), next: 0 };
    },
    (lane) => passUpTo(lane, Number.POSITIVE_INFINITY),
  );
  const counts = { duplicates: 0, late: 0 };

  /** Lets go what is held up to `number`, in order, and what follows on it without a gap. */
  function passUpTo(lane: Lane, number: number): void {
    const { held } = lane;
    const behind = [...held.keys()].filter((key) => key <= number).sort((a, b) => a - b);
    for (const key of behind) {
      deliver(held.get(key)?.bytes ?? new Uint8Array());
      held.delete(key);
      lane.next = key + 1;
    }
    for (let packet = held.get(lane.next); packet !== undefined; packet = held.get(lane.next)) {
      held.delete(lane.next);
      lane.next += 1;
      deliver(packet.bytes);
    }
  }

  function place(lane: Lane, bytes: Uint8Array, now: number): void {
    const { extended } = lane.window;
    if (extended < lane.next) {
      counts.late += 1;
      deliver(bytes);
    } else if (extended === lane.next || latencyMs === 0) {
      deliver(bytes);
      lane.next = extended + 1;
      if (lane.held.size > 0) passUpTo(lane, extended);
    } else {
      lane.held.set(extended, { bytes, arrivedAt: now });
      if (lane.held.size > heldMax) passUpTo(lane, lane.held.keys().next().value ?? 0);
    }
  }

  function flush(): void {
    for (const [, lane] of lanes.entries()) if (lane.held.size > 0) passUpTo(lane, Number.POSITIVE_INFINITY);
  }

  return {
    push(bytes, now) {
      if (classifyDatagram(bytes) !== "rtp") return deliver(bytes);
      const lane = lanes.get(readUint32(bytes, 8));
      switch (lane.window.place(readUint16(bytes, 2), readUint32(bytes, 4), now)) {
        case "duplicate":
          counts.duplicates += 1;
          return;
        case "restart":
          passUpTo(lane, Number.POSITIVE_INFINITY);
          lane.next = lane.window.extended;
          return place(lane, bytes, now);
        case "ahead":
        case "late":
          // The first two packets of a source are in order: they are what shows that it is one.
          if (lane.next === 0) lane.next = lane.window.extended;
          return place(lane, bytes, now);
        default:
          return deliver(bytes);
      }
    },

    release(now) {
      for (const [, lane] of lanes.entries()) {
        let last = -1;
        for (const [number, { arrivedAt }] of lane.held) {
          if (arrivedAt + latencyMs > now) break;
          last = Math.max(last, number);
        }
        if (last >= 0) passUpTo(lane, last);
      }
    },

    wakeAt() {
      let at = Number.POSITIVE_INFINITY;
      for (const [, { held }] of lanes.entries()) {
        const [first] = held.values();
        if (first !== undefined) at = Math.min(at, first.arrivedAt + latencyMs);
      }
      return at;
    },

    flush,
    counters: () => ({ ...counts }),
  };
}
