import { readdirSync, readFileSync } from "node:fs";

/**
 * CPU seconds that a process and its children have used, from /proc/…/schedstat: in nanoseconds, and with what the kernel
 * does in their name, which for veth is most of a packet's way. Unlike the whole machine's it is not disturbed by neighbours.
 */
export function cpuSecondsOf(pid: number | undefined): number {
  if (pid === undefined) return Number.NaN;
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const own = threads.map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
    );
    const children = threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number),
    );
    const nanoseconds = own.reduce((sum, value) => sum + value, 0);
    return nanoseconds / 1e9 + children.reduce((sum, child) => sum + cpuSecondsOf(child), 0);
  } catch {
    // It has ended.
    return 0;
  }
}
