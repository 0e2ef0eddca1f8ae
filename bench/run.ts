/*
 * The benchmark: builds its own network, runs each contender in turn, round after round, and writes docs/benchmarks.md,
 * docs/benchmarks.svg and bench/results/latest.json. `npm run bench -- --help` tells the options.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { measureAgents } from "./cases/agents.ts";
import { endure } from "./cases/endurance.ts";
import { highestRate, joinTimes, measureGenerator } from "./cases/limits.ts";
import { floorOf, loadCases } from "./cases/load-cases.ts";
import { measure, openSession, type Session, type Stage } from "./cases/session.ts";
import { type Contender, routing } from "./contenders/contender.ts";
import { peers } from "./contenders/peers.ts";
import { planes } from "./contenders/punchcast.ts";
import { startCpuMeter } from "./harness/cpu-meter.ts";
import { installDropCounter } from "./harness/drop-counter.ts";
import { compilePrograms } from "./harness/load.ts";
import { available, describeMachine, raiseBacklog } from "./harness/machine.ts";
import { createBenchNetwork } from "./harness/network.ts";
import { type BenchOptions, benchHelp, benchOptions } from "./options.ts";
import { writeDocument } from "./report/document.ts";
import { type LoadCase, otherCases, type Results, type Sample } from "./report/results.ts";

const resultsPath = new URL("results/latest.json", import.meta.url);

const options = benchOptions(process.argv.slice(2));
if (options === undefined) console.log(benchHelp);
else if (options.from !== undefined) writeDocument(JSON.parse(readFileSync(options.from, "utf8")));
else await runBench(options);

async function runBench(options: BenchOptions): Promise<void> {
  const startedAt = performance.now();
  const restoreBacklog = raiseBacklog(options.backlog);
  // Also when it is ended before time: the setting is the whole machine's. Namespaces end with this process by themselves.
  process.once("exit", restoreBacklog);
  const programs = compilePrograms();
  process.once("exit", () => programs.remove());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  const network = await createBenchNetwork();
  const cpu = startCpuMeter(programs);
  try {
    const stage: Stage = { network, programs, cpu, counter: await installDropCounter(network) };
    const chosen = [...planes, ...peers(programs)].filter(({ id }) => isNamed(id, options.only));
    const contenders = [routing, ...available(chosen)];
    const cases = loadCases(options.quick).filter(({ id }) => isNamed(id, options.cases));
    const figures = await measureAll(stage, contenders, cases, options);
    const results: Results = {
      machine: describeMachine(network, contenders),
      run: { rounds: options.rounds, minutes: (performance.now() - startedAt) / 60_000, quick: options.quick },
      contenders: contenders.map(({ id, name, settings }) => ({ id, name, settings })),
      cases,
      ...figures,
    };
    mkdirSync(new URL(".", resultsPath), { recursive: true });
    writeFileSync(resultsPath, `${JSON.stringify(results, null, 1)}\n`);
    if (options.write) writeDocument(results);
  } finally {
    await cpu.stop();
    await network.close();
  }
}

async function measureAll(
  stage: Stage,
  contenders: readonly Contender[],
  cases: readonly LoadCase[],
  options: BenchOptions,
): Promise<Pick<Results, "samples" | "failures">> {
  const samples: Sample[] = [];
  const failures = new Set<string>();
  const note = (sample: Sample): void => {
    samples.push(sample);
    console.log(describe(sample));
  };
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failures.add(`${what} failed: ${error instanceof Error ? error.message : error}`);
      console.log(what, error);
    }
  };
  const wanted = (name: string): boolean => isNamed(name, options.cases);
  const generator = await measureGenerator(stage);
  note({ case: otherCases.generator, contender: "", round: 0, figures: generator });
  const floors = [...new Map(cases.map((load) => [floorOf(load).id, floorOf(load)])).values()];
  const crowds = [...new Set([1, ...cases.map(({ viewers }) => viewers)])];
  for (let round = 1; round <= options.rounds; round += 1) {
    // Every other round backwards, so that nobody always comes after the same one.
    const order = round % 2 === 0 ? contenders.toReversed() : contenders;
    for (const viewers of crowds) {
      for (const contender of order.filter((one) => serves(one, viewers))) {
        const loads = contender === routing ? floors : cases.filter((load) => load.viewers === viewers);
        const limits = viewers === 1;
        if (loads.length === 0 && !(limits && (wanted(otherCases.highestRate) || wanted(otherCases.join)))) continue;
        await attempt(`${contender.name}, ${viewers} viewers`, async () => {
          const session = await openSession(stage, contender, viewers);
          const keep = (name: string, figures: Record<string, number> | undefined): void => {
            if (figures !== undefined) note({ case: name, contender: contender.id, round, figures });
          };
          try {
            for (const load of loads) keep(load.id, await measure(session, load));
            if (limits) await measureLimits(session, wanted, generator.mostPacketsPerSecond ?? 0, keep);
          } finally {
            await session.close();
          }
        });
      }
    }
  }
  for (const contender of contenders.filter(({ id }) => id === "ebpf" || id === "userspace")) {
    if (!wanted(otherCases.endurance)) continue;
    await attempt(`${contender.name}, endurance`, async () => {
      const figures = await endure(stage, contender, options.quick ? 10 : 60);
      note({ case: otherCases.endurance, contender: contender.id, round: 1, figures });
    });
  }
  if (wanted(otherCases.agents) && contenders.some(({ id }) => id === "userspace")) {
    await attempt("agents", async () => {
      const figures = await measureAgents(100, options.quick ? 10 : 20);
      note({ case: otherCases.agents, contender: "userspace", round: 1, figures });
    });
  }
  return { samples, failures: [...failures] };
}

/** Join times come last: those who joined go on being served for a while. */
async function measureLimits(
  session: Session,
  wanted: (name: string) => boolean,
  most: number,
  keep: (name: string, figures: Record<string, number> | undefined) => void,
): Promise<void> {
  if (wanted(otherCases.highestRate)) keep(otherCases.highestRate, await highestRate(session, most));
  if (wanted(otherCases.join)) keep(otherCases.join, await joinTimes(session, 50));
}

function serves({ leastViewers = 1, mostViewers = Number.POSITIVE_INFINITY }: Contender, viewers: number): boolean {
  return viewers >= leastViewers && viewers <= mostViewers;
}

function isNamed(id: string, names: readonly string[]): boolean {
  return names.length === 0 || names.some((name) => id === name || (/^\d+x/.test(name) && id.startsWith(name)));
}

function describe({ case: name, contender, round, figures }: Sample): string {
  const { cpuSeconds, delivered, lost, sent } = figures;
  const cost =
    cpuSeconds === undefined || delivered === undefined
      ? JSON.stringify(figures)
      : `${((cpuSeconds * 1e6) / delivered).toFixed(2)} µs, ${lost} lost, ${sent} sent`;
  return `round ${round}, ${name}, ${contender}: ${cost}`;
}
