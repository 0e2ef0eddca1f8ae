import { controlMessage, part, udpLevel, udpSegment } from "./layout.ts";
import type { Libc } from "./libc.ts";
import { allocate, writePointer } from "./memory.ts";

/** Packets that one message can carry: all of one size, but the last, which may be shorter. They stay where they are. */
export interface PacketRun {
  /** How many there are, and their bytes together. */
  readonly count: number;
  readonly bytes: number;
  /** Takes one more; false if it does not fit into this run any more. */
  add(address: number, length: number): boolean;
  length(index: number): number;
  /** Where the parts start, 16 bytes each. */
  readonly parts: number;
  /** The control message that tells the size of a segment. */
  readonly control: number;
  clear(): void;
  free(): void;
}

/** UDP_MAX_SEGMENTS of Linux before 6.9, and the bytes that an IPv4 datagram can carry after its headers. */
const mostSegments = 64;
const mostBytes = 65_507;

/** An empty run. */
export function createPacketRun(libc: Libc): PacketRun {
  const memory = allocate(libc, 4_096);
  const controlAt = mostSegments * part.size;
  memory.u32[(controlAt + controlMessage.length) >> 2] = controlMessage.value + 2;
  memory.u32[(controlAt + controlMessage.level) >> 2] = udpLevel;
  memory.u32[(controlAt + controlMessage.type) >> 2] = udpSegment;
  let [count, bytes, segment] = [0, 0, 0];
  let ended = false;
  return {
    get count() {
      return count;
    },
    get bytes() {
      return bytes;
    },
    parts: memory.address,
    control: memory.address + controlAt,
    add(address, length) {
      if (count === 0) {
        segment = length;
        memory.u16[(controlAt + controlMessage.value) >> 1] = length;
      } else if (ended || length === 0 || length > segment || count === mostSegments || bytes + length > mostBytes) {
        return false;
      }
      const at = (count * part.size) >> 2;
      writePointer(memory.u32, at, address);
      memory.u32[at + (part.length >> 2)] = length;
      count += 1;
      bytes += length;
      // An empty datagram has no segment to be, neither the first of many nor the last.
      ended = length < segment || length === 0;
      return true;
    },
    length: (index) => memory.u32[(index * part.size + part.length) >> 2] ?? 0,
    clear() {
      count = 0;
      bytes = 0;
      ended = false;
    },
    free: () => memory.free(),
  };
}
