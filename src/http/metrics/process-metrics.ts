import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Family } from "./metrics.ts";

/** The metrics of this process. */
export interface ProcessMetrics {
  readonly families: readonly Family<undefined>[];
  close(): void;
}

/**
 * How often the event loop is looked at; its timer alone is late by so much, which is taken off what is told. More often would
 * wake a process that has nothing to do, at 30 µs a time; less often would miss stops of a tenth of a second, which are felt.
 */
const resolutionMs = 100;

/**
 * Under the names that exporters of other programs have too. prom-client has a collection of its own, whose observers
 * cannot be stopped again.
 */
export function createProcessMetrics(): ProcessMetrics {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const lagSeconds = (nanoseconds: number): number => Math.max(0, (nanoseconds || 0) / 1e9 - resolutionMs / 1e3);
  const gauge = { type: "gauge" } as const;
  return {
    families: [
      {
        ...{ name: "nodejs_eventloop_lag_p99_seconds", help: "Of the main thread, since it was last read.", ...gauge },
        samples: () => [{ value: lagSeconds(delay.percentile(99)) }],
      },
      {
        ...{ name: "nodejs_eventloop_lag_max_seconds", help: "Of the main thread, since it was last read.", ...gauge },
        *samples() {
          yield { value: lagSeconds(delay.count === 0 ? 0 : delay.max) };
          delay.reset();
        },
      },
      {
        ...{ name: "process_cpu_seconds_total", help: "User and system, all threads.", type: "counter" },
        *samples() {
          const { user, system } = process.cpuUsage();
          yield { value: (user + system) / 1e6 };
        },
      },
      {
        ...{ name: "process_resident_memory_bytes", help: "Resident memory.", ...gauge },
        samples: () => [{ value: process.memoryUsage.rss() }],
      },
      {
        ...{ name: "nodejs_heap_size_used_bytes", help: "JavaScript heap in use.", ...gauge },
        samples: () => [{ value: process.memoryUsage().heapUsed }],
      },
      {
        ...{ name: "process_start_time_seconds", help: "Unix time of the start.", ...gauge },
        samples: () => [{ value: performance.timeOrigin / 1000 }],
      },
    ],
    close: () => void delay.disable(),
  };
}
