import type { RateMeter } from "../rtp/rate-meter.ts";

/** What one receiver may have sent again. */
export interface RepairBudgetOptions {
  /** The stream that is repaired: one meter for all its receivers. */
  readonly rate: Pick<RateMeter, "totalBytes" | "bytesPerSecond">;
  /** Of the stream's bytes, default 0.25: covers 20 % of loss (each packet 1.25 times on average) and no flood. */
  readonly share?: number;
  /**
   * Milliseconds within which a packet is sent again only once. Default 8: a little less than the 10 ms after which a
   * receiver may ask again, so that the way's jitter does not make the second request fail too.
   */
  readonly repeatMs?: number;
}

/** Whether to send a packet again, or why not. */
export type RepairVerdict = "send" | "repeated" | "over-budget";

/** Bounds the repair of one stream to one receiver. */
export interface RepairBudget {
  /** Decides about one packet of `bytes` bytes; `"send"` takes it from the budget. */
  take(ssrc: number, sequenceNumber: number, bytes: number, now: number): RepairVerdict;
}

/** A stream slower than this saves up for a whole packet: otherwise one a second could never be repaired. */
const leastCreditBytes = 1_500;

/** Packets sent again that are remembered, a power of two: more than a budget of 25 % lets pass in 8 ms at 100 Mbit/s. */
const memory = 64;

/**
 * A token bucket that the stream itself fills: each of its bytes gives `share` of one, up to what a second brings, and at
 * first what its last second has brought. So the bytes sent again never exceed `share` of the stream's until then; and a
 * fifth of the packets can be lost, which needs all of it, without chance emptying the bucket in the first seconds.
 */
export function createRepairBudget(options: RepairBudgetOptions): RepairBudget {
  const { rate, share = 0.25, repeatMs = 8 } = options;
  const keys = new Float64Array(memory).fill(-1);
  const sentAt = new Float64Array(memory);
  let seenBytes = rate.totalBytes();
  let credit: number | undefined;

  return {
    take(ssrc, sequenceNumber, bytes, now) {
      const key = ssrc * 0x1_0000 + sequenceNumber;
      const slot = sequenceNumber % memory;
      if (keys[slot] === key && now - (sentAt[slot] ?? 0) < repeatMs) return "repeated";
      const total = rate.totalBytes();
      const secondsWorth = share * rate.bytesPerSecond(now);
      credit = Math.min(
        Math.max(leastCreditBytes, secondsWorth),
        credit === undefined ? secondsWorth : credit + share * (total - seenBytes),
      );
      seenBytes = total;
      if (bytes > credit) return "over-budget";
      credit -= bytes;
      keys[slot] = key;
      sentAt[slot] = now;
      return "send";
    },
  };
}
