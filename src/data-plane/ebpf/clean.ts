import { lockPlane } from "../nat/plane-lock.ts";
import { removeKernelSide } from "./kernel-side.ts";

/**
 * Removes everything that an eBPF plane left in this network namespace: program, maps, links, and the switch of loopback.
 * Says what it removed.
 * @throws PunchcastError PLANE_IN_USE while a relay runs
 */
export async function cleanEbpfPlane(): Promise<string[]> {
  if (process.platform !== "linux") return [];
  const release = await lockPlane("ebpf");
  try {
    return await removeKernelSide();
  } finally {
    await release();
  }
}
