/** The middle of the values and how far they spread. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const half = (sorted.length - 1) / 2;
  return { median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2, least: at(0), most: at(sorted.length - 1) };
}

/** `5.4 (5.2-5.9)`; the bare value where there is but one. */
export function formatSpread({ median, least, most }: Spread, digits: number): string {
  const [middle, from, to] = [median, least, most].map((value) => value.toFixed(digits));
  return from === to ? `${middle}` : `${middle} (${from} to ${to})`;
}

/** How many times one is the other: of the medians; `least` and `most` are what the spreads allow. `undefined` if either is not above nothing, as noise can make it. */
export function ratioOf(one: Spread, other: Spread): Spread | undefined {
  if (one.median <= 0 || other.median <= 0) return undefined;
  return {
    median: one.median / other.median,
    least: one.least / other.most,
    most: one.most / Math.max(0, other.least),
  };
}
