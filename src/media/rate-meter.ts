/** Bytes of a stream, and how many a second. */
export interface RateMeter {
  /** Counts one packet, at `now` ms of a monotonic clock. */
  onPacket(bytes: number, now: number): void;
  /** Bytes since the start. */
  totalBytes(): number;
  /** Bytes in the last second. */
  bytesPerSecond(now: number): number;
}

/** Slots of 100 ms: a frame's burst moves out of the measure in tenths; finer ones would cost more and say no more. */
const slotMs = 100;
const slotCount = 10;

/** A meter over one second. */
export function createRateMeter(): RateMeter {
  const slots = new Float64Array(slotCount);
  let slotNumber = 0;
  let total = 0;

  function moveTo(now: number): number {
    const number = Math.floor(now / slotMs);
    const passed = Math.min(slotCount, number - slotNumber);
    for (let i = 0; i < passed; i += 1) slots[(number - i) % slotCount] = 0;
    if (passed > 0) slotNumber = number;
    return slotNumber % slotCount;
  }

  return {
    onPacket(bytes, now) {
      total += bytes;
      const slot = moveTo(now);
      slots[slot] = (slots[slot] ?? 0) + bytes;
    },
    totalBytes: () => total,
    bytesPerSecond(now) {
      moveTo(now);
      return slots.reduce((sum, bytes) => sum + bytes, 0);
    },
  };
}
