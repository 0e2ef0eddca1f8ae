import type { Random } from "../../src/core/random.ts";

/** The same bytes for the same seed, on every machine: mulberry32, good enough for tests and nothing else. */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
  return { bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff) };
}
