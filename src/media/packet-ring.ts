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

/** The packets of a lane, `first` up to `next`: which ones they are of all. A packet's place is its number modulo the length. */
interface Lane {
  all: Float64Array;
  first: number;
  next: number;
}

/** What a packet costs beside its bytes, so that many small ones stay within the bound too: what the two lists of them have. */
export const overheadBytes = 32;

/** Memory at the start: a tenth of a second of a 5 Mbit/s stream. It doubles when needed. */
const initialBytes = 64 << 10;

/** Places of a list at the start: a power of two, as it stays when it doubles. */
const initialPlaces = 64;

/** An empty ring that never holds more than `maxBytes`, bookkeeping included. */
export function createPacketRing(maxBytes: number): PacketRing {
  const lanes = new Map<number, Lane>();
  let memory = new Uint8Array(Math.min(initialBytes, maxBytes));
  // Positions only ever grow; the place in memory is the position modulo its size, so growing leaves them as they are. No
  // two packets have the same: an empty datagram takes a byte too.
  let head = 0;
  let tail = 0;
  /** Where the head is in memory: a division a packet, of ever larger numbers, would show. */
  let headAt = 0;
  // All packets in the order of arrival, `oldest` up to `newest`; a packet's place is its number modulo the length.
  let positions = new Float64Array(initialPlaces);
  let lengths = new Float64Array(initialPlaces);
  let times = new Float64Array(initialPlaces);
  let lanesOf: Lane[] = [];
  let oldest = 0;
  let newest = 0;

  function laneOf(lane: number): Lane {
    let found = lanes.get(lane);
    if (found === undefined) {
      found = { all: new Float64Array(initialPlaces), first: 0, next: 0 };
      lanes.set(lane, found);
    }
    return found;
  }

  function placeOf(packet: number): number {
    return packet & (positions.length - 1);
  }

  /** Which of all packets this one of a lane is; `undefined` if it has left, or has not come. */
  function find({ all, first, next }: Lane, id: number): number | undefined {
    return id < first || id >= next ? undefined : all[id & (all.length - 1)];
  }

  function dropOldest(): void {
    const place = placeOf(oldest);
    tail = (positions[place] ?? 0) + roomOf(lengths[place] ?? 0);
    const lane = lanesOf[place];
    if (lane !== undefined) lane.first += 1;
    oldest += 1;
  }

  function dropUpTo(packet: number): void {
    while (oldest < packet) dropOldest();
  }

  function isFull(room: number): boolean {
    return head - tail + room + (newest - oldest + 1) * overheadBytes > maxBytes;
  }

  function growMemory(wanted: number): void {
    let size = memory.length;
    while (size < wanted) size = Math.min(size * 2, maxBytes);
    const kept = view(tail, head - tail).slice();
    memory = new Uint8Array(size);
    headAt = tail % size;
    write(kept, kept.length);
  }

  function growLists(): void {
    const before = lanesOf;
    const places = positions.length;
    lanesOf = [];
    for (let packet = oldest; packet < newest; packet += 1) {
      const lane = before[packet & (places - 1)];
      if (lane !== undefined) lanesOf[packet & (2 * places - 1)] = lane;
    }
    [positions, lengths, times] = [positions, lengths, times].map((list) => doubled(list, oldest, newest)) as Lists;
  }

  /** Writes at the head, and moves it on by the room that the bytes take. */
  function write(bytes: Uint8Array, room: number): void {
    const fitting = memory.length - headAt;
    if (bytes.length <= fitting) memory.set(bytes, headAt);
    else {
      memory.set(bytes.subarray(0, fitting), headAt);
      memory.set(bytes.subarray(fitting), 0);
    }
    headAt = room < fitting ? headAt + room : room - fitting;
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
      while (oldest < newest && isFull(room)) dropOldest();
      const own = laneOf(lane);
      const id = own.next;
      if (isFull(room)) return id;
      if (head - tail + room > memory.length) growMemory(head - tail + room);
      if (newest - oldest === positions.length) growLists();
      if (own.next - own.first === own.all.length) own.all = doubled(own.all, own.first, own.next);
      write(bytes, room);
      const place = placeOf(newest);
      positions[place] = head;
      lengths[place] = bytes.length;
      times[place] = atMs;
      lanesOf[place] = own;
      own.all[id & (own.all.length - 1)] = newest;
      own.next += 1;
      newest += 1;
      head += room;
      return id;
    },
    get(lane, id) {
      const packet = find(laneOf(lane), id);
      if (packet === undefined) return undefined;
      const place = placeOf(packet);
      return { bytes: view(positions[place] ?? 0, lengths[place] ?? 0), atMs: times[place] ?? 0 };
    },
    first: (lane) => laneOf(lane).first,
    next: (lane) => laneOf(lane).next,
    firstSince(lane, atMs) {
      const own = laneOf(lane);
      let low = own.first;
      let high = own.next;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        if ((times[placeOf(find(own, middle) ?? 0)] ?? 0) < atMs) low = middle + 1;
        else high = middle;
      }
      return low;
    },
    dropBefore(lane, id) {
      const own = laneOf(lane);
      dropUpTo(find(own, id) ?? (id < own.first ? oldest : newest));
    },
    dropOlder(before) {
      while (oldest < newest && (times[placeOf(oldest)] ?? 0) < before) dropOldest();
    },
    clear() {
      dropUpTo(newest);
      memory = new Uint8Array(Math.min(initialBytes, maxBytes));
      headAt = head % memory.length;
    },
  };
}

type Lists = [Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>, Float64Array<ArrayBuffer>];

/** A list with twice the places, its entries `first` up to `next` where they belong in it. */
function doubled(list: Float64Array, first: number, next: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(list.length * 2);
  for (let i = first; i < next; i += 1) larger[i & (larger.length - 1)] = list[i & (list.length - 1)] ?? 0;
  return larger;
}

/** Bytes of memory that a packet takes. */
function roomOf(length: number): number {
  return Math.max(length, 1);
}
