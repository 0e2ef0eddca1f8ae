import type { Flow } from "../../relay/forwarding.ts";
import { configOffsets, printKey, recordKinds, recordOffsets } from "./layout.ts";
import type { KernelTable } from "./maps.ts";

/** What the kernel wrote down of a packet that it let by. */
export type Left =
  /** It was sent to nobody. */
  | "whole"
  /**
   * It was sent to the holes of its list that had been linked when the list had this count, but not to those that the kernel
   * could not send to at the time `leftAt`.
   */
  | { readonly linked: number; readonly leftAt?: bigint };

/** Tells of packets that came up what the kernel has left to user space. */
export interface LeftToUser {
  /** Says, once, what was written down of a packet. `nowNs` is the kernel's monotonic clock. */
  take(flow: Flow, bytes: Uint8Array, nowNs: bigint): Left | undefined;
}

/** What was written down this long ago has come up or was lost on the way; a full 4 MB of socket is worked off in less. */
const memoryNs = 3_000_000_000n;

/**
 * The program writes down what it lets by before it goes up, and counts it. As long as the count stands still there is
 * nothing to look for, which is the usual case: one read of shared memory per packet.
 */
export function createLeftToUser(config: BigUint64Array, table: KernelTable): LeftToUser {
  const count = (): bigint => config[configOffsets.unfanned / 8] ?? 0n;
  let settled = 0n;
  let seen = -1n;
  let seenAt = 0n;

  return {
    take(flow, bytes, nowNs) {
      const total = count();
      if (total === settled) return undefined;
      if (total !== seen) {
        seen = total;
        seenAt = nowNs;
      } else if (nowNs - seenAt > memoryNs) {
        settled = total;
        return undefined;
      }
      const key = printKey(flow, bytes);
      const record = table.lookup(key);
      if (record === undefined) return undefined;
      table.delete(key);
      const when = record.readBigUInt64LE(recordOffsets.when);
      const [linked, how] = [record.readUInt32LE(recordOffsets.linked), record.readUInt32LE(recordOffsets.how)];
      if (nowNs - when > memoryNs) return undefined;
      if (how === recordKinds.whole) return "whole";
      return { linked, ...(how === recordKinds.partly && { leftAt: when }) };
    },
  };
}
