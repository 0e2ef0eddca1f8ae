import type { Flow } from "../../relay/forwarding.ts";
import { configOffsets, partly, printKey } from "./layout.ts";
import type { KernelTable } from "./maps.ts";

/** Tells of packets that came up whether the kernel left them to user space. */
export interface LeftToUser {
  /**
   * Says, once, how the program left a packet to user space: not, as a whole, or for the holes that it could not send to at
   * this time. `nowNs` is the kernel's monotonic clock.
   */
  take(flow: Flow, bytes: Uint8Array, nowNs: bigint): "not" | "whole" | { readonly partlyAt: bigint };
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
      if (total === settled) return "not";
      if (total !== seen) {
        seen = total;
        seenAt = nowNs;
      } else if (nowNs - seenAt > memoryNs) {
        settled = total;
        return "not";
      }
      const key = printKey(flow, bytes);
      const at = table.lookup(key)?.readBigUInt64LE(0);
      if (at === undefined) return "not";
      table.delete(key);
      const when = at & (partly - 1n);
      if (nowNs - when > memoryNs) return "not";
      return at === when ? "whole" : { partlyAt: when };
    },
  };
}
