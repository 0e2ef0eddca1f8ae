import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** The CPUs that this process may run on: all, or what `taskset` left of them. */
export function allowedCpus(): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** A stretch of time during which the machine is watched. */
export interface Watch {
  /** CPU seconds that this process's CPUs were busy so far, and the seconds that went by. */
  read(): { readonly busy: number; readonly elapsed: number };
}

/**
 * Watches the CPUs of this process from now on. Busy is what was not idle, whoever was: user, system and interrupts, softirq
 * included. /proc/stat counts idle time exactly and the other kinds by looking at every tick, so busy is what idle leaves.
 */
export function watchCpus(): Watch {
  const cpus = allowedCpus();
  const [idleBefore, startedAt] = [idleSeconds(cpus), performance.now()];
  return {
    read() {
      const elapsed = (performance.now() - startedAt) / 1_000;
      return { busy: elapsed * cpus.length - (idleSeconds(cpus) - idleBefore), elapsed };
    },
  };
}

/** CPU seconds per second that are used while nothing is sent: the machine's own noise, to be subtracted. */
export async function idleLoad(seconds: number): Promise<number> {
  const watch = watchCpus();
  await delay(seconds * 1_000);
  const { busy, elapsed } = watch.read();
  return busy / elapsed;
}

/** Idle, waiting for a disk, or taken by the hypervisor. */
function idleSeconds(cpus: readonly number[]): number {
  const lines = readFileSync("/proc/stat", "utf8").split("\n");
  return cpus.reduce((sum, cpu) => {
    const line = lines.find((text) => text.startsWith(`cpu${cpu} `)) ?? "";
    const [, , , idle = 0, ioWait = 0, , , steal = 0] = line.trim().split(/\s+/).slice(1).map(Number);
    return sum + (idle + ioWait + steal) / 100;
  }, 0);
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
