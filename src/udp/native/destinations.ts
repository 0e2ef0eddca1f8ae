import type { Endpoint } from "../../core/address.ts";
import { addressSlot, controlMessage, dontWait, messageHeader, noSignal, part } from "./layout.ts";
import { errno, type Libc } from "./libc.ts";
import { allocate, type Memory, writePointer } from "./memory.ts";
import type { PacketRun } from "./packet-run.ts";
import { encodeSocketAddress } from "./socket-address.ts";

/** A message that a destination did not get, and why. */
export interface Failure {
  readonly slot: number;
  readonly errno: number;
}

/** Addresses that all get the same, each in a slot. The slots are 0 to `count - 1` at any time. */
export interface Destinations {
  readonly count: number;
  /** Takes the next slot. */
  add(to: Endpoint): void;
  set(slot: number, to: Endpoint): void;
  /** Frees a slot: the last destination moves into it. */
  remove(slot: number): void;
  /** Sends all packets of the run to each destination as one segmented message (or as itself, if it is one). */
  sendRun(fd: number): readonly Failure[];
  /** Sends one packet of the run to each destination. */
  sendPacket(fd: number, index: number): readonly Failure[];
  free(): void;
}

/** UIO_MAXIOV: no call takes more messages. */
const mostPerCall = 1_024;

/** How long a full send buffer may hold up the packets that come next: what live video can bear without a visible pause. */
const longestWaitMs = 1;

/** POLLOUT. */
const writable = 4;

/** None at first; they send what is in `run`. */
export function createDestinations(libc: Libc, run: PacketRun): Destinations {
  let capacity = 8;
  let [headers, addresses] = grow(undefined, undefined);
  const polled = allocate(libc, 4_096);
  let count = 0;
  /** Who went without when the buffer was full is first the next time. */
  let first = 0;
  let [lastParts, lastPartCount, lastControl] = [run.parts, 1, 0];
  let failures: Failure[] = [];

  function grow(oldHeaders: Memory | undefined, oldAddresses: Memory | undefined): [Memory, Memory] {
    const [nextHeaders, nextAddresses] = [
      allocate(libc, capacity * messageHeader.size),
      allocate(libc, capacity * addressSlot),
    ];
    if (oldHeaders !== undefined) nextHeaders.u8.set(oldHeaders.u8);
    if (oldAddresses !== undefined) nextAddresses.u8.set(oldAddresses.u8);
    for (let slot = 0; slot < capacity; slot += 1) {
      const at = (slot * messageHeader.size) >> 2;
      writePointer(nextHeaders.u32, at, nextAddresses.address + slot * addressSlot);
      writePointer(nextHeaders.u32, at + (messageHeader.control >> 2), run.control);
    }
    oldHeaders?.free();
    oldAddresses?.free();
    return [nextHeaders, nextAddresses];
  }

  function fill(slot: number): void {
    const at = (slot * messageHeader.size) >> 2;
    writePointer(headers.u32, at + (messageHeader.parts >> 2), lastParts);
    headers.u32[at + (messageHeader.partCount >> 2)] = lastPartCount;
    headers.u32[at + (messageHeader.controlLength >> 2)] = lastControl;
  }

  function write(slot: number, to: Endpoint): void {
    const length = encodeSocketAddress(addresses.u8, slot * addressSlot, to);
    headers.u32[(slot * messageHeader.size + messageHeader.nameLength) >> 2] = length;
  }

  function isWritableSoon(fd: number): boolean {
    polled.u32[0] = fd;
    polled.u32[1] = writable;
    return libc.poll(polled.address, 1, longestWaitMs) > 0;
  }

  function send(fd: number, parts: number, partCount: number, control: number): readonly Failure[] {
    if (parts !== lastParts || partCount !== lastPartCount || control !== lastControl) {
      [lastParts, lastPartCount, lastControl] = [parts, partCount, control];
      for (let slot = 0; slot < count; slot += 1) fill(slot);
    }
    if (failures.length > 0) failures = [];
    const start = first < count ? first : 0;
    first = 0;
    if (sendSlots(fd, start, count)) sendSlots(fd, 0, start);
    else for (let slot = 0; slot < start; slot += 1) failures.push({ slot, errno: errno.EAGAIN });
    return failures;
  }

  /** Sends to the slots from `from` to before `to`; false if it gave up because the buffer stayed full. */
  function sendSlots(fd: number, from: number, to: number): boolean {
    let mayWait = true;
    for (let slot = from; slot < to; ) {
      const many = Math.min(mostPerCall, to - slot);
      const sent = libc.sendmmsg(fd, headers.address + slot * messageHeader.size, many, dontWait | noSignal);
      if (sent > 0) {
        slot += sent;
        continue;
      }
      const reason = libc.errno();
      if (reason === errno.EINTR) continue;
      if (reason === errno.EAGAIN || reason === errno.ENOBUFS) {
        if (mayWait && isWritableSoon(fd)) {
          mayWait = false;
          continue;
        }
        first = slot;
        for (; slot < to; slot += 1) failures.push({ slot, errno: reason });
        return false;
      }
      failures.push({ slot, errno: reason });
      slot += 1;
    }
    return true;
  }

  return {
    get count() {
      return count;
    },
    add(to) {
      if (count === capacity) {
        capacity *= 2;
        [headers, addresses] = grow(headers, addresses);
      }
      write(count, to);
      fill(count);
      count += 1;
    },
    set: write,
    remove(slot) {
      count -= 1;
      if (slot === count) return;
      addresses.u8.copyWithin(slot * addressSlot, count * addressSlot, (count + 1) * addressSlot);
      const field = messageHeader.nameLength;
      const length = headers.u32[(count * messageHeader.size + field) >> 2] ?? 0;
      headers.u32[(slot * messageHeader.size + field) >> 2] = length;
    },
    sendRun: (fd) => send(fd, run.parts, run.count, run.count > 1 ? controlMessage.size : 0),
    sendPacket: (fd, index) => send(fd, run.parts + index * part.size, 1, 0),
    free() {
      for (const memory of [headers, addresses, polled]) memory.free();
    },
  };
}
