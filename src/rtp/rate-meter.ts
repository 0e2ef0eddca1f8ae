/** Bytes of a stream, and how many a second. */
export interface RateMeter {
  /** Counts one packet, at `now` ms of a monotonic clock. */
  onPacket(bytes: number, now: number): void;
  /** Bytes since the start. */
  totalBytes(): number;
  /** Bytes in the second before `now`; less while it has not run for as long. */
  bytesPerSecond(now: number): number;
}

/** Slots of 100 ms: a frame's burst moves out of the measure in tenths; finer ones would cost more and say no more. */
const slotMs = 100;

/** A second of them, and the one that is being filled. */
const slotCount = 11;

/** A meter over one second. */
export function createRateMeter(): RateMeter {
  const slots = new Float64Array(slotCount);
  let newest = 0;
  let total = 0;

  function moveTo(now: number): void {
    const number = Math.floor(now / slotMs);
    const passed = Math.min(slotCount, number - newest);
    for (let i = 0; i < passed; i += 1) slots[(number - i) % slotCount] = 0;
    if (passed > 0) newest = number;
  }

  return {
    onPacket(bytes, now) {
      total += bytes;
      moveTo(now);
      const slot = newest % slotCount;
      slots[slot] = (slots[slot] ?? 0) + bytes;
    },
    totalBytes: () => total,
    bytesPerSecond(now) {
      moveTo(now);
      const sum = slots.reduce((all, bytes) => all + bytes, 0);
      // Of the oldest, the part that lies within the second.
      return sum - ((slots[(newest + 1) % slotCount] ?? 0) * (now % slotMs)) / slotMs;
    },
  };
}
