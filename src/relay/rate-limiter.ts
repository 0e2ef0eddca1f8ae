/** Lets `ratePerSecond` through for each key, with bursts of `burst`. */
export interface RateLimiter {
  /** Takes one token of `key`; false if there is none left. */
  take(key: string, now: number): boolean;
  /** True if `take` would return true. Takes nothing. */
  allows(key: string, now: number): boolean;
}

interface Bucket {
  tokens: number;
  at: number;
}

/**
 * Token buckets, one a key, in bounded memory: at most `maxKeys` are remembered (default 65,536, about 8 MB) and the one
 * unused longest is forgotten first, so a flood from many sources costs memory no more than a flood from few.
 */
export function createRateLimiter(options: {
  readonly ratePerSecond: number;
  readonly burst: number;
  readonly maxKeys?: number;
}): RateLimiter {
  const { ratePerSecond, burst, maxKeys = 65_536 } = options;
  const buckets = new Map<string, Bucket>();
  const tokensAt = ({ tokens, at }: Bucket, now: number): number =>
    Math.min(burst, tokens + ((now - at) * ratePerSecond) / 1000);

  return {
    allows(key, now) {
      const known = buckets.get(key);
      return known === undefined ? burst >= 1 : tokensAt(known, now) >= 1;
    },
    take(key, now) {
      const known = buckets.get(key);
      const bucket = known ?? { tokens: burst, at: now };
      bucket.tokens = tokensAt(bucket, now);
      bucket.at = now;
      // Deleting and setting again moves the key to the end of the map's order: the first key is the one unused longest.
      if (known !== undefined) buckets.delete(key);
      else if (buckets.size >= maxKeys) buckets.delete(buckets.keys().next().value ?? "");
      buckets.set(key, bucket);
      if (bucket.tokens < 1) return false;
      bucket.tokens -= 1;
      return true;
    },
  };
}
