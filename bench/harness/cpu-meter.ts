import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { allowedCpus } from "./cpu.ts";
import { endChild, lineReader, type Programs } from "./load.ts";

/** What all CPUs of this process do, whoever makes them do it: user, system and interrupts, softirq included. */
export interface CpuMeter {
  /** Starts a stretch of time; the answer's `end` tells its length and the CPU seconds that were not idle in it. */
  start(): Promise<{ end(): Promise<{ readonly busy: number; readonly elapsed: number }> }>;
  /** CPU seconds per second that are used while nothing is sent: the machine's own noise, to be subtracted. */
  idleLoad(seconds: number): Promise<number>;
  stop(): Promise<void>;
}

/** Starts it. Needs root. */
export function startCpuMeter({ busy: path }: Programs): CpuMeter {
  const child = spawn(path, allowedCpus().map(String), { stdio: ["pipe", "pipe", "inherit"] });
  const nextLine = lineReader(child);
  const read = async (): Promise<{ readonly busy: number; readonly now: number }> => {
    child.stdin.write("\n");
    return JSON.parse(await nextLine());
  };
  const start: CpuMeter["start"] = async () => {
    const before = await read();
    return {
      async end() {
        const after = await read();
        return { busy: after.busy - before.busy, elapsed: after.now - before.now };
      },
    };
  };
  return {
    start,
    async idleLoad(seconds) {
      const stretch = await start();
      await delay(seconds * 1_000);
      const { busy, elapsed } = await stretch.end();
      return busy / elapsed;
    },
    stop: () => endChild(child),
  };
}
