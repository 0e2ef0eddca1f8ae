/** A sum over the last second. */
export interface RateWindow {
  add(amount: number, atMs: number): void;
  /** The sum of the second before `nowMs`, to a tenth of a second; less while it has not run for as long. */
  perSecond(nowMs: number): number;
}

/** Ten slots: a sum is never off by more than the tenth that has just begun, and forgetting costs no more than adding. */
const slotMs = 100;
const slotsPerSecond = 10;

/** Makes a window that begins empty. */
export function createRateWindow(): RateWindow {
  // One slot more than a second has: the one that is filling does not count yet.
  const slots = new Float64Array(slotsPerSecond + 1);
  let current = 0;

  function moveTo(slot: number): void {
    if (slot - current > slotsPerSecond) slots.fill(0);
    else for (let i = current + 1; i <= slot; i += 1) slots[i % slots.length] = 0;
    current = Math.max(current, slot);
  }

  return {
    add(amount, atMs) {
      const slot = Math.floor(atMs / slotMs);
      if (slot > current) moveTo(slot);
      slots[current % slots.length] = (slots[current % slots.length] ?? 0) + amount;
    },
    perSecond(nowMs) {
      const slot = Math.floor(nowMs / slotMs);
      if (slot > current) moveTo(slot);
      return slots.reduce((sum, amount) => sum + amount, 0) - (slots[current % slots.length] ?? 0);
    },
  };
}
