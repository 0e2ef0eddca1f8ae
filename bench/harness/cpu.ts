import { readdirSync, readFileSync } from "node:fs";

/** The CPUs that this process may run on: all, or what `taskset` left of them. */
export function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * CPU seconds that a process and its children have used, from /proc/…/schedstat: in nanoseconds, and with what the kernel
 * does in their name, which for veth is most of a packet's way. Unlike the whole machine's it is not disturbed by neighbours.
 */
export function cpuSecondsOf(pid: number): number {
  return overTree(pid, (process) =>
    readdirSync(`/proc/${process}/task`)
      .map((thread) => Number(readFileSync(`/proc/${process}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e9)
      .reduce((sum, seconds) => sum + seconds, 0),
  );
}

/** MiB of memory that a process and its children have resident. */
export function residentMiBOf(pid: number): number {
  return overTree(pid, (process) => {
    const status = readFileSync(`/proc/${process}/status`, "utf8");
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_024;
  });
}

function overTree(pid: number, read: (pid: number) => number): number {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number),
    );
    return read(pid) + children.reduce((sum, child) => sum + overTree(child, read), 0);
  } catch {
    // It has ended.
    return 0;
  }
}
