import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** CPU seconds that the whole machine has been busy since its start: user, system and interrupts, softirq included. */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (
    readFileSync("/proc/stat", "utf8").split("\n")[0] ?? ""
  )
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

/** CPU seconds per second that are used while nothing is sent: the machine's own noise, to be subtracted. */
export async function idleLoad(seconds: number): Promise<number> {
  const [before, startedAt] = [busySeconds(), performance.now()];
  await delay(seconds * 1_000);
  return (busySeconds() - before) / ((performance.now() - startedAt) / 1_000);
}
