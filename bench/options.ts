import { parseArgs } from "node:util";

/** How the bench is called. */
export interface BenchOptions {
  readonly quick: boolean;
  readonly rounds: number;
  /** Contenders to run, by id; empty: all. Plain routing always runs, since every share is counted from it. */
  readonly only: readonly string[];
  /** Cases to run: ids, or the beginnings of ids; empty: all. */
  readonly cases: readonly string[];
  /** What net.core.netdev_max_backlog is raised to while the bench runs. */
  readonly backlog: number;
  /** Whether documents are written. */
  readonly write: boolean;
  /** A file of figures to write the documents from, without measuring anything. */
  readonly from: string | undefined;
}

/** What `--help` prints. */
export const benchHelp = `npm run bench -- [options]

  --quick          one round of fewer cases: 6 to 7 minutes instead of 30
  --rounds N       default 3; 1 if quick
  --only ID,…      contenders: ebpf, nat, userspace, userspace-cut, userspace-dgram, c-mmsg, c-segment, c-segment-cut,
                   node-dgram, nginx, gstreamer, ffmpeg, socat, coturn; plain routing always runs
  --cases ID,…     1x20k-b1, 500x4M-b13, … or how they begin (1x, 500x); highest-rate, join, endurance, agents
  --backlog N      net.core.netdev_max_backlog while it runs; default 30000 if it is less
  --no-write       leaves docs/benchmarks.md and docs/benchmarks.svg alone (bench/results/latest.json is always written)
  --from FILE      writes the documents from a file of figures

Needs Linux, iproute2, nftables, taskset, a C compiler, and root.`;

/** Reads the command line; `undefined` if help was asked for. */
export function benchOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string", default: "" },
      cases: { type: "string", default: "" },
      backlog: { type: "string", default: "30000" },
      write: { type: "boolean", default: true },
      from: { type: "string" },
      help: { type: "boolean", default: false },
    },
    allowNegative: true,
  });
  if (values.help) return undefined;
  return {
    quick: values.quick,
    rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
    only: values.only.split(",").filter(Boolean),
    cases: values.cases.split(",").filter(Boolean),
    backlog: Number(values.backlog),
    write: values.write,
    from: values.from,
  };
}
