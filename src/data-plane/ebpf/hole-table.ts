import { addressFamily } from "../../core/address.ts";
import type { HoleTarget } from "../../relay/forwarding.ts";
import type { Counters } from "../data-plane.ts";
import {
  checksumSum,
  fanoutOffsets,
  fanoutSlots,
  holeOffsets,
  holeSlots,
  mapDefinitions,
  type NotSentReason,
  notSentReasons,
  type Originals,
  originals,
  writeAddress,
  writePort,
} from "./layout.ts";

const holeBytes = mapDefinitions.holes.valueBytes;
const fanoutBytes = mapDefinitions.fanouts.valueBytes;

/** Which of a fan-out's two lists: packets never change their IP version in the kernel. */
export type Family = 4 | 6;

/**
 * The lists of holes, in memory that the kernel's program walks while they change. A slot is filled before it is linked,
 * linked and unlinked by one aligned store, and rests before it is used again, so a walk sees whole holes only.
 */
export interface HoleTable {
  /** The slot of a component's fan-out, made if need be; `undefined` if all are taken. */
  fanout(id: bigint): number | undefined;
  /** Links a hole in; `undefined` if there is no room. `expires` in the kernel's nanoseconds. */
  add(fanout: number, id: bigint, target: HoleTarget, expires: bigint, nowMs: number): number | undefined;
  remove(slot: number, nowMs: number): void;
  setExpiry(slot: number, expires: bigint): void;
  counters(slot: number): Counters;
  /** What came in for a fan-out since its slot was made. */
  arrived(fanout: number): Pick<Counters, "packets" | "bytes">;
  /** Says where the originals go. */
  setOriginals(fanout: number, to: Originals): void;
  /** How many holes were ever linked into this list. A packet that read this count was sent to all that are linked still. */
  linkedIn(fanout: number, family: Family): number;
  /** The number of this hole among them: packets that read a lower count were not sent to it. */
  numberOf(slot: number): number;
  /** What did not go up. */
  unseen(fanout: number): Pick<Counters, "packets" | "bytes">;
  /** Packets of that which the ring had no room for. */
  untapped(fanout: number): number;
  /** How often it did not send, in the order of `notSentReasons`. */
  reasons(fanout: number): number[];
  /** How often it was for this reason, over all fan-outs. */
  notSent(reason: NotSentReason): number;
  /** True if the packet that came at this time of the kernel's was left to user space for this hole. */
  wasLeft(slot: number, at: bigint): boolean;
  /** Every linked hole, as found in memory. */
  linked(): { readonly slot: number; readonly fanout: number; readonly id: bigint; readonly bytes: Buffer }[];
}

/** The part of a head's word that is the first hole's slot; the flags are above it in the lower half, the count is the upper. */
const slotMask = 0xff_ffff;

interface HeadChange {
  readonly next?: number;
  readonly linked?: number;
  readonly flags?: number;
}

/**
 * A slot rests this long. Not less, since a walk over the longest list with every packet lost to a slow device takes tens of
 * milliseconds; not more, since a thousand moves a second hold a thousand slots.
 */
const restMs = 1_000;

/** Reads the lists as they are in memory, and goes on from there. */
export function openHoleTable(holesMemory: ArrayBuffer, fanoutsMemory: ArrayBuffer): HoleTable {
  const bytes = Buffer.from(holesMemory);
  const words = new Uint32Array(holesMemory);
  const longs = new BigUint64Array(holesMemory);
  const heads = new Uint32Array(fanoutsMemory);
  const fanoutLongs = new BigUint64Array(fanoutsMemory);
  const numbers = new Map<number, number>();
  const previous = new Map<number, number>();
  const familyOf = new Map<number, Family>();
  const fanouts = new Map<bigint, number>();
  const resting: { slot: number; until: number }[] = [];
  const free: number[] = [];

  const word = (slot: number, offset: number): number => (slot * holeBytes + offset) / 4;
  const long = (slot: number, offset: number): number => (slot * holeBytes + offset) / 8;
  const head = (fanout: number, family: Family): number =>
    (fanout * fanoutBytes + (family === 4 ? fanoutOffsets.head4 : fanoutOffsets.head6)) / 8;
  const firstOf = (fanout: number, family: Family): number => (heads[2 * head(fanout, family)] ?? 0) & slotMask;
  const linkedIn = (fanout: number, family: Family): number => heads[2 * head(fanout, family) + 1] ?? 0;
  const nextOf = (slot: number): number => words[word(slot, holeOffsets.next)] ?? 0;

  function walk(fanout: number, family: Family): void {
    let before = 0;
    let slot = firstOf(fanout, family);
    // A list that runs in circles or out of the table was written by somebody else: the rest of it is cut off.
    for (let steps = 0; slot > 0 && slot < holeSlots && steps < holeSlots && !previous.has(slot); steps += 1) {
      previous.set(slot, before);
      familyOf.set(slot, family);
      // Their own numbers nobody knows any more, but every packet from now on is sent to them.
      numbers.set(slot, linkedIn(fanout, family));
      before = slot;
      slot = nextOf(slot);
    }
    if (slot !== 0) setNext(fanout, family, before, 0);
  }

  /** Changes parts of the word in one store, since what a packet reads of it has to belong together. */
  function setHead(
    fanout: number,
    family: Family,
    { next = firstOf(fanout, family), linked = linkedIn(fanout, family), flags }: HeadChange,
  ): void {
    const low = heads[2 * head(fanout, family)] ?? 0;
    const flagged = flags === undefined ? low - (low & slotMask) : flags * (slotMask + 1);
    Atomics.store(fanoutLongs, head(fanout, family), (BigInt(linked) << 32n) | BigInt(flagged + next));
  }

  function setNext(fanout: number, family: Family, before: number, next: number): void {
    if (before === 0) setHead(fanout, family, { next });
    else Atomics.store(words, word(before, holeOffsets.next), next);
  }

  for (let fanout = 1; fanout < fanoutSlots; fanout += 1) {
    const id = fanoutLongs[(fanout * fanoutBytes + fanoutOffsets.id) / 8] ?? 0n;
    if (id === 0n) continue;
    fanouts.set(id, fanout);
    for (const family of [4, 6] as const) walk(fanout, family);
  }
  let nextFanout = Math.max(0, ...fanouts.values()) + 1;
  // The highest first, so that the lowest are at the end, where they are taken from.
  for (let slot = holeSlots - 1; slot > 0; slot -= 1) if (!previous.has(slot)) free.push(slot);

  function takeSlot(nowMs: number): number | undefined {
    while (resting[0] !== undefined && resting[0].until <= nowMs) free.push(resting.shift()?.slot ?? 0);
    return free.pop();
  }

  const number = (memory: BigUint64Array, index: number): number => Number(memory[index] ?? 0n);

  return {
    fanout(id) {
      const known = fanouts.get(id);
      if (known !== undefined || nextFanout >= fanoutSlots) return known;
      const fanout = nextFanout++;
      fanoutLongs[(fanout * fanoutBytes + fanoutOffsets.id) / 8] = id;
      fanouts.set(id, fanout);
      return fanout;
    },

    add(fanout, id, { local, remote }, expires, nowMs) {
      const slot = takeSlot(nowMs);
      if (slot === undefined) return undefined;
      const family = addressFamily(remote.address);
      const first = firstOf(fanout, family);
      const linked = (linkedIn(fanout, family) + 1) >>> 0;
      const at = slot * holeBytes;
      bytes.fill(0, at, at + holeBytes);
      writeAddress(bytes, at + holeOffsets.local, local.address);
      writeAddress(bytes, at + holeOffsets.remote, remote.address);
      writePort(bytes, at + holeOffsets.localPort, local.port);
      writePort(bytes, at + holeOffsets.remotePort, remote.port);
      words[word(slot, holeOffsets.sum)] = checksumSum(bytes.subarray(at, at + holeOffsets.localPort));
      longs[long(slot, holeOffsets.expires)] = expires;
      longs[long(slot, holeOffsets.id)] = id;
      words[word(slot, holeOffsets.fanout)] = fanout;
      words[word(slot, holeOffsets.next)] = first;
      setHead(fanout, family, { next: slot, linked });
      numbers.set(slot, linked);
      previous.set(slot, 0);
      if (first !== 0) previous.set(first, slot);
      familyOf.set(slot, family);
      return slot;
    },

    remove(slot, nowMs) {
      const before = previous.get(slot);
      const family = familyOf.get(slot);
      if (before === undefined || family === undefined) return;
      const after = nextOf(slot);
      setNext(words[word(slot, holeOffsets.fanout)] ?? 0, family, before, after);
      // A walk that is at this slot just now still finds its way on, but sends nothing more here.
      longs[long(slot, holeOffsets.expires)] = 0n;
      if (after !== 0) previous.set(after, before);
      previous.delete(slot);
      familyOf.delete(slot);
      numbers.delete(slot);
      resting.push({ slot, until: nowMs + restMs });
    },

    setExpiry(slot, expires) {
      longs[long(slot, holeOffsets.expires)] = expires;
    },

    counters: (slot) => ({
      packets: number(longs, long(slot, holeOffsets.packets)),
      bytes: number(longs, long(slot, holeOffsets.bytes)),
      drops: number(longs, long(slot, holeOffsets.drops)),
    }),

    arrived: (fanout) => ({
      packets: number(fanoutLongs, (fanout * fanoutBytes + fanoutOffsets.packets) / 8),
      bytes: number(fanoutLongs, (fanout * fanoutBytes + fanoutOffsets.bytes) / 8),
    }),

    setOriginals(fanout, to) {
      for (const family of [4, 6] as const) setHead(fanout, family, { flags: originals[to] });
    },

    linkedIn,
    numberOf: (slot) => numbers.get(slot) ?? 0,

    unseen: (fanout) => ({
      packets: number(fanoutLongs, (fanout * fanoutBytes + fanoutOffsets.unseenPackets) / 8),
      bytes: number(fanoutLongs, (fanout * fanoutBytes + fanoutOffsets.unseenBytes) / 8),
    }),

    untapped: (fanout) => number(fanoutLongs, (fanout * fanoutBytes + fanoutOffsets.untapped) / 8),

    reasons: (fanout) =>
      notSentReasons.map((_, i) => number(fanoutLongs, (fanout * fanoutBytes + fanoutOffsets.reasons) / 8 + i)),

    notSent(reason) {
      let sum = 0;
      for (const fanout of fanouts.values()) sum += this.reasons(fanout)[notSentReasons.indexOf(reason)] ?? 0;
      return sum;
    },

    wasLeft: (slot, at) =>
      (longs[long(slot, holeOffsets.leftFrom)] ?? 0n) <= at && at <= (longs[long(slot, holeOffsets.leftUntil)] ?? 0n),

    linked: () =>
      [...previous.keys()].map((slot) => ({
        slot,
        fanout: words[word(slot, holeOffsets.fanout)] ?? 0,
        id: longs[long(slot, holeOffsets.id)] ?? 0n,
        bytes: bytes.subarray(slot * holeBytes, slot * holeBytes + 36),
      })),
  };
}
