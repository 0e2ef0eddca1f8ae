import { Counter, Gauge, Registry } from "prom-client";
import type { ApiRelay } from "../api/api-relay.ts";
import { createProcessMetrics } from "./process-metrics.ts";
import { relayFamilies } from "./relay-families.ts";
import { viewerFamilies } from "./viewer-families.ts";

/** One value under its labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** One metric: what it means, and how it is read off `From`. */
export interface Family<From> {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly labels?: readonly string[];
  readonly samples: (from: From) => Iterable<Sample>;
}

/** What Prometheus reads. */
export interface Metrics {
  readonly contentType: string;
  /** Prometheus text, made of the figures as they are now. */
  render(): Promise<string>;
  close(): void;
}

/** What the metrics are made of. */
export interface MetricsOptions {
  readonly relay: Pick<ApiRelay, "info" | "readStats" | "allViewers">;
  /** Whether there are series for each viewer. */
  readonly viewers: boolean;
  /** Followers of the events now. */
  readonly eventFollowers: () => number;
}

/** Nothing is read before `render`. */
export function createMetrics({ relay, viewers, eventFollowers }: MetricsOptions): Metrics {
  const registry = new Registry();
  const own = createProcessMetrics();
  const writers = {
    relay: relayFamilies.map((family) => writerOf(family, registry)),
    viewers: viewers ? viewerFamilies.map((family) => writerOf(family, registry)) : [],
    process: own.families.map((family) => writerOf(family, registry)),
  };
  return {
    contentType: registry.contentType,
    async render() {
      const [info, stats, all] = [await relay.info(), await relay.readStats(), await relay.allViewers()];
      for (const write of writers.relay) write({ info, stats, viewers: all, eventFollowers: eventFollowers() });
      for (const write of writers.viewers) write(all);
      for (const write of writers.process) write(undefined);
      return registry.metrics();
    },
    close: own.close,
  };
}

/** Sets a metric to what is read off. The totals are kept elsewhere, so a counter begins again each time. */
function writerOf<From>({ name, help, type, labels, samples }: Family<From>, registry: Registry): (from: From) => void {
  const options = { name, help, labelNames: [...(labels ?? [])], registers: [registry] };
  const metric = type === "counter" ? new Counter(options) : new Gauge(options);
  return (from) => {
    metric.reset();
    for (const { labels: own = {}, value } of samples(from)) metric.inc({ ...own }, value);
  };
}
