import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** The CPUs that this process may run on: `0-1`, or what `taskset` left of them. */
export function allowedCpus(): string {
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
}

/**
 * CPU seconds that the CPUs of this process have been busy since the machine's start: user, system and interrupts, softirq
 * included, whoever used them. On a machine that others use too, keep them off the bench's CPUs with `taskset`.
 */
export function busySeconds(): number {
  const cpus = new Set(allowedCpus().split(",").flatMap(expandRange));
  const lines = readFileSync("/proc/stat", "utf8").split("\n");
  return lines
    .filter((line) => cpus.has(Number(/^cpu(\d+) /.exec(line)?.[1] ?? -1)))
    .reduce((sum, line) => sum + busyOf(line), 0);
}

/** CPU seconds per second that are used while nothing is sent: the machine's own noise, to be subtracted. */
export async function idleLoad(seconds: number): Promise<number> {
  const [before, startedAt] = [busySeconds(), performance.now()];
  await delay(seconds * 1_000);
  return (busySeconds() - before) / ((performance.now() - startedAt) / 1_000);
}

function busyOf(line: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

function expandRange(range: string): number[] {
  const [first = 0, last = first] = range.split("-").map(Number);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
