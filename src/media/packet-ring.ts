/** A packet in a ring. */
export interface RingPacket {
  /** A view that holds until the next packet is added: copy what is to last. */
  readonly bytes: Uint8Array;
  /** When it arrived, in milliseconds of the caller's clock. */
  readonly atMs: number;
}

/** The newest packets of several lanes in one piece of memory; the oldest of all lanes leaves first. */
export interface PacketRing {
  /** Copies a packet into its lane. Returns its number there: 0, 1, 2 … One larger than the whole ring is not kept. */
  push(lane: number, bytes: Uint8Array, atMs: number): number;
  /** `undefined` if it has left, or has not come. */
  get(lane: number, id: number): RingPacket | undefined;
  /** Number of the oldest packet that the lane still has; the next one's if it has none. */
  first(lane: number): number;
  /** Number that the lane's next packet will have. */
  next(lane: number): number;
  /** Number of the lane's first packet that arrived at `atMs` or later. */
  firstSince(lane: number, atMs: number): number;
  /** Drops, in all lanes, what was pushed before this packet. */
  dropBefore(lane: number, id: number): void;
  /** Drops what arrived before `atMs`. */
  dropOlder(atMs: number): void;
  clear(): void;
}

/** Where the packets of a lane are: for each its position, length and time, flat. Entry 0 is packet `base`. */
interface Lane {
  readonly entries: number[];
  base: number;
  /** Entries at the front that have left. */
  gone: number;
}

const entryWidth = 3;

/** What a packet costs beside its bytes, so that many small ones stay within the bound too: its three numbers, rounded up. */
export const overheadBytes = 32;

/** Memory at the start: a tenth of a second of a 5 Mbit/s stream. It doubles when needed. */
const initialBytes = 64 << 10;

/** An empty ring that never holds more than `maxBytes`, bookkeeping included. */
export function createPacketRing(maxBytes: number): PacketRing {
  const lanes = new Map<number, Lane>();
  let memory = new Uint8Array(Math.min(initialBytes, maxBytes));
  // Positions only ever grow; the place in memory is the position modulo its size, so growing leaves them as they are. No
  // two packets have the same: an empty datagram takes a byte too.
  let head = 0;
  let tail = 0;
  let count = 0;

  function laneOf(lane: number): Lane {
    let found = lanes.get(lane);
    if (found === undefined) {
      found = { entries: [], base: 0, gone: 0 };
      lanes.set(lane, found);
    }
    return found;
  }

  /** The lane with the oldest packet of all. */
  function oldest(): Lane | undefined {
    let found: Lane | undefined;
    let position = Number.POSITIVE_INFINITY;
    for (const lane of lanes.values()) {
      const own = lane.entries[lane.gone * entryWidth];
      if (own !== undefined && own < position) [found, position] = [lane, own];
    }
    return found;
  }

  /** Drops the lane's oldest packet. */
  function drop(lane: Lane): void {
    const at = lane.gone * entryWidth;
    tail = (lane.entries[at] ?? 0) + roomOf(lane.entries[at + 1] ?? 0);
    count -= 1;
    lane.gone += 1;
    // Seldom enough that moving the rest to the front costs next to nothing a packet.
    if (lane.gone * entryWidth * 2 > lane.entries.length) {
      lane.entries.splice(0, lane.gone * entryWidth);
      lane.base += lane.gone;
      lane.gone = 0;
    }
  }

  /** Drops the oldest packets of all lanes as long as this field of theirs, 0 the position or 2 the time, is below. */
  function dropBelow(field: 0 | 2, limit: number): void {
    for (let lane = oldest(); lane !== undefined; lane = oldest()) {
      if ((lane.entries[lane.gone * entryWidth + field] ?? 0) >= limit) return;
      drop(lane);
    }
  }

  function isFull(room: number): boolean {
    return head - tail + room + (count + 1) * overheadBytes > maxBytes;
  }

  function grow(wanted: number): void {
    let size = memory.length;
    while (size < wanted) size = Math.min(size * 2, maxBytes);
    const kept = view(tail, head - tail).slice();
    memory = new Uint8Array(size);
    write(tail, kept);
  }

  function write(position: number, bytes: Uint8Array): void {
    const at = position % memory.length;
    const fitting = memory.length - at;
    if (bytes.length <= fitting) {
      memory.set(bytes, at);
      return;
    }
    memory.set(bytes.subarray(0, fitting), at);
    memory.set(bytes.subarray(fitting), 0);
  }

  function view(position: number, length: number): Uint8Array {
    const at = position % memory.length;
    if (at + length <= memory.length) return memory.subarray(at, at + length);
    const whole = new Uint8Array(length);
    whole.set(memory.subarray(at));
    whole.set(memory.subarray(0, length - (memory.length - at)), memory.length - at);
    return whole;
  }

  return {
    push(lane, bytes, atMs) {
      const room = roomOf(bytes.length);
      while (count > 0 && isFull(room)) dropBelow(0, tail + 1);
      const own = laneOf(lane);
      const id = own.base + own.entries.length / entryWidth;
      if (isFull(room)) return id;
      if (head - tail + room > memory.length) grow(head - tail + room);
      write(head, bytes);
      own.entries.push(head, bytes.length, atMs);
      head += room;
      count += 1;
      return id;
    },
    get(lane, id) {
      const { entries, base, gone } = laneOf(lane);
      const at = (id - base) * entryWidth;
      const position = entries[at];
      if (id - base < gone || position === undefined) return undefined;
      return { bytes: view(position, entries[at + 1] ?? 0), atMs: entries[at + 2] ?? 0 };
    },
    first(lane) {
      const { base, gone } = laneOf(lane);
      return base + gone;
    },
    next(lane) {
      const { entries, base } = laneOf(lane);
      return base + entries.length / entryWidth;
    },
    firstSince(lane, atMs) {
      const { entries, base, gone } = laneOf(lane);
      let low = gone;
      let high = entries.length / entryWidth;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((entries[middle * entryWidth + 2] ?? 0) < atMs) low = middle + 1;
        else high = middle;
      }
      return base + low;
    },
    dropBefore(lane, id) {
      const { entries, base } = laneOf(lane);
      dropBelow(0, entries[(id - base) * entryWidth] ?? head);
    },
    dropOlder: (before) => dropBelow(2, before),
    clear() {
      dropBelow(0, head);
      memory = new Uint8Array(Math.min(initialBytes, maxBytes));
    },
  };
}

/** Bytes of memory that a packet takes. */
function roomOf(length: number): number {
  return Math.max(length, 1);
}
