import type { ReceiveBatch } from "../../../udp/native/receive-batch.ts";
import type { InstalledFlow } from "./forwarding-table.ts";

/**
 * How long nothing may come before a frame is sent as far as it is there: for each hole 3 % of the 3 µs that a message to
 * it takes. At most 50 µs, the longest gap within a burst on a link of 250 Mbit/s; less than 5 µs is not worth a call.
 */
const patienceMsPerHole = 0.0001;
const [leastPatienceMs, mostPatienceMs] = [0.005, 0.05];

/** After so many packets that came alone a stream is taken for one of single packets, until two come together. */
const singlePackets = 8;

/** No packet waits longer for others. */
const longestBatchMs = 1;

/** Fills a batch up with the rest of a frame. */
export interface FrameGatherer {
  /**
   * Takes the rest of a frame that has begun to come: sending its first packet to hundreds of viewers on its own would take
   * longer, cost as much as all the others together, and delay them. Nothing is waited for beyond a small share of the time
   * that sending will take, nor once a frame has ended, so a packet for a few viewers leaves at once.
   */
  gather(fd: number, taken: number, flow: Pick<InstalledFlow, "fanOut" | "lone">): number;
}

/** One for this batch. */
export function createFrameGatherer(batch: ReceiveBatch): FrameGatherer {
  /** RFC 3550 §5.1: version 2 and the marker, which payload formats for video set on the last packet of a frame. */
  function endsFrame(index: number): boolean {
    return batch.byteAt(index, 0) >> 6 === 2 && (batch.byteAt(index, 1) & 0x80) !== 0;
  }

  return {
    gather(fd: number, taken: number, flow): number {
      const patienceMs = Math.min(flow.fanOut.size * patienceMsPerHole, mostPatienceMs);
      if (taken > 1) flow.lone = 0;
      if (patienceMs < leastPatienceMs || flow.lone >= singlePackets) return taken;
      const startedAt = performance.now();
      let [count, heardAt] = [taken, startedAt];
      while (count < batch.most && !endsFrame(count - 1)) {
        const more = batch.receive(fd, count);
        const now = performance.now();
        if (more > 0) heardAt = now;
        else if (now - heardAt >= patienceMs) break;
        count += more;
        if (now - startedAt >= longestBatchMs) break;
      }
      if (count === 1) flow.lone += 1;
      return count;
    },
  };
}
