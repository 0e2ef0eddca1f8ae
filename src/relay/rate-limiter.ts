/** Lets `ratePerSecond` through for each key, with bursts of `burst`. */
export interface RateLimiter {
  /** Takes one token of `key`; false if there is none left. */
  take(key: string, now: number): boolean;
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

  return {
    take(key, now) {
      const known = buckets.get(key);
      const bucket = known ?? { tokens: burst, at: now };
      bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * ratePerSecond) / 1000);
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
