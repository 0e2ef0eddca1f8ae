import { addressSlot, controlMessage, dontWait, messageHeader, part, udpGro, udpLevel } from "./layout.ts";
import type { Libc } from "./libc.ts";
import { allocate, type Memory, writePointer } from "./memory.ts";

/** Takes datagrams off a socket, many with one call. What it shows is valid until the next `receive`. */
export interface ReceiveBatch {
  /** How many datagrams one call takes at most. */
  readonly most: number;
  /**
   * Takes what is there, without waiting, to follow the first `kept` datagrams of the batch (default 0: none are kept).
   * Returns how many it took; 0 if there is nothing or no room.
   */
  receive(fd: number, kept?: number): number;
  /** Bytes of the `index`th. */
  length(index: number): number;
  /** Where they are. */
  address(index: number): number;
  /** The same, as an array; or so many of them from an offset. */
  bytes(index: number, offset?: number, size?: number): Uint8Array;
  /** One of them; 0 beyond the end. Makes no garbage. */
  byteAt(index: number, offset: number): number;
  /** If the kernel joined datagrams of one sender: the size of each but the last, which may be shorter. Otherwise 0. */
  segment(index: number): number;
  /** Holds each sender's socket address at `index * 32`. */
  readonly sources: Memory;
  free(): void;
}

/**
 * Datagrams per call. As many as one GSO message can carry on, so that more would only wait longer; fewer would cost a
 * call more per frame of a stream of 20 Mbit/s.
 */
const most = 64;

/** Room for the longest datagram, joined ones included; and a few cache lines, lest all slots share the same ones. */
const slotBytes = 65_536 + 192;

/** Makes one. */
export function createReceiveBatch(libc: Libc): ReceiveBatch {
  const payload = allocate(libc, most * slotBytes);
  const headers = allocate(libc, most * messageHeader.size);
  const parts = allocate(libc, most * part.size);
  const sources = allocate(libc, most * addressSlot);
  const controls = allocate(libc, most * controlMessage.size);
  const word = (index: number, field: number): number => (index * messageHeader.size + field) >> 2;
  for (let i = 0; i < most; i += 1) {
    writePointer(headers.u32, word(i, messageHeader.name), sources.address + i * addressSlot);
    writePointer(headers.u32, word(i, messageHeader.parts), parts.address + i * part.size);
    headers.u32[word(i, messageHeader.partCount)] = 1;
    writePointer(headers.u32, word(i, messageHeader.control), controls.address + i * controlMessage.size);
    writePointer(parts.u32, (i * part.size + part.base) >> 2, payload.address + i * slotBytes);
    parts.u32[(i * part.size + part.length) >> 2] = 65_536;
  }
  let used = most;
  const length = (index: number): number => headers.u32[word(index, messageHeader.length)] ?? 0;
  return {
    most,
    sources,
    receive(fd, kept = 0) {
      for (let i = kept; i < used; i += 1) {
        headers.u32[word(i, messageHeader.nameLength)] = addressSlot;
        headers.u32[word(i, messageHeader.controlLength)] = controlMessage.size;
      }
      const taken = libc.recvmmsg(fd, headers.address + kept * messageHeader.size, most - kept, dontWait, 0);
      used = kept + Math.max(0, taken);
      return used - kept;
    },
    length,
    address: (index) => payload.address + index * slotBytes,
    bytes(index, offset = 0, size = length(index) - offset) {
      const at = index * slotBytes + offset;
      return payload.u8.subarray(at, at + size);
    },
    byteAt: (index, offset) => (offset < length(index) ? (payload.u8[index * slotBytes + offset] ?? 0) : 0),
    segment(index) {
      if (headers.u32[word(index, messageHeader.controlLength)] === 0) return 0;
      const at = (index * controlMessage.size) >> 2;
      const isGro = controls.u32[at + 2] === udpLevel && controls.u32[at + 3] === udpGro;
      return isGro ? (controls.u32[at + 4] ?? 0) : 0;
    },
    free() {
      for (const memory of [payload, headers, parts, sources, controls]) memory.free();
    },
  };
}
