import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { barChart } from "./bar-chart.ts";
import { claims } from "./claims.ts";
import { type Figures, figuresOf } from "./figures.ts";
import type { Results } from "./results.ts";
import { otherCases } from "./results.ts";
import { spreadOf } from "./statistics.ts";
import { agentsTable, caseTable, enduranceTable, formatLoss, limitsTable, markdownTable } from "./tables.ts";

/** A machine with nothing else to do takes less than this share of a CPU. */
const quietMachine = 0.05;
const charted = ["1x50k-b25", "100x4M-b13", "500x4M-b1", "500x4M-b13", "1000x4M-b13"];

/** Writes docs/benchmarks.md, laid out as the formatter wants it, and docs/benchmarks.svg. */
export function writeDocument(results: Results): void {
  const figures = figuresOf(results);
  const path = fileURLToPath(new URL("../../docs/benchmarks.md", import.meta.url));
  writeFileSync(path, benchmarksDocument(figures));
  writeFileSync(new URL("../../docs/benchmarks.svg", import.meta.url), chart(figures));
  const biome = fileURLToPath(import.meta.resolve("@biomejs/biome/bin/biome"));
  const { status, stderr } = spawnSync(process.execPath, [biome, "check", "--write", path], { encoding: "utf8" });
  if (status !== 0) console.log(`docs/benchmarks.md is not as the formatter wants it: ${stderr}`);
}

/** The whole of docs/benchmarks.md. */
export function benchmarksDocument(figures: Figures): string {
  const { results } = figures;
  const heading = ["claim", "target", "measured", ""];
  const lines = claims(figures).map(({ text, target, measured, verdict }) => [text, target, measured, verdict]);
  const groups = [
    { title: "One viewer", cases: results.cases.filter(({ viewers }) => viewers === 1) },
    { title: "Many viewers", cases: results.cases.filter(({ viewers }) => viewers > 1) },
  ];
  const tables = groups.map(({ title, cases }) => {
    const measured = cases.filter(({ id }) => results.samples.some((sample) => sample.case === id));
    const parts = measured.map((load) => `### ${load.title}\n\n${caseTable(figures, load)}`);
    return [`## ${title}`, ...parts].join("\n\n");
  });
  return `${[
    introduction(results),
    "## The claims",
    "Ratios are of medians of the same run, with what the spreads allow.",
    markdownTable([heading, ...lines]),
    "![The relay's share of CPU for each delivered packet, in µs](benchmarks.svg)",
    machineSection(figures),
    ...tables,
    "## Highest rate and join time",
    limitsText,
    limitsTable(figures),
    "## A minute at 1,000 viewers",
    "4 Mbit/s in frames of 13 packets, without a pause.",
    enduranceTable(figures),
    "## 100 viewers with the agent's code",
    "One relay process (userspace plane, batched engine), all on loopback; viewers punch with STUN and count what they get.",
    agentsTable(figures),
    contendersSection(results),
  ].join("\n\n")}\n`;
}

function introduction({ run, samples }: Results): string {
  const noise = idleShares(samples)[0];
  const rounds = run.rounds === 1 ? "one round" : `${run.rounds} rounds, in each of which every contender has its turn`;
  const warnings = [
    ...(run.quick ? ["A quick run: take the figures as a hint."] : []),
    ...(noise > quietMachine ? ["**The machine was not quiet: take the figures as noise.**"] : []),
  ];
  return `# Benchmarks

Written by \`npm run bench\`: ${[`${rounds}; it took ${run.minutes.toFixed(0)} minutes.`, ...warnings].join(" ")}

Source, relay and viewers are in three network namespaces in a row, over two veth pairs; packets are of 1,200 bytes, a VP8
video's as far as a relay looks. Each contender runs warm before it is measured. Figures are the median of the rounds (least
to most).

- **Whole path**: all that the machine's CPUs did for each delivered packet, generator and viewers, kernel and interrupts
  included, less what the machine did just before without load.
- **Relay's share**: the whole path less what plain kernel routing of the same stream to one viewer took in the same run.
- **Its process**: what the scheduler put down to the relay's process, system calls included. The kernel planes work outside it.
- **Delay** is one way, from the source's clock to the viewer's (the same clock). With many viewers it is the last one's,
  whose hole was opened last; what comes to the others is counted and dropped at their device. **Jitter** is by how much the
  delay changes from one packet to the next. The routing rows are the path's own.
- **Device cuts**: a message of many packets leaves the relay whole, as towards a network card that cuts it up by itself.
  Everywhere else the relay's kernel has to cut.`;
}

const limitsText = `The highest rate, in bursts of 25 to one viewer, that loses at most 0.1 %, counted at the viewer's device. With the kernel
planes the generator's CPU does the forwarding too, so theirs is a lower bound. Join time is from a bare viewer's punch to
its first packet, of a stream with one every 0.2 ms.`;

function machineSection(figures: Figures): string {
  const { machine, samples } = figures.results;
  const generator = figures.samples(otherCases.generator, "")[0]?.figures ?? {};
  const [medianNoise, mostNoise] = idleShares(samples);
  const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;
  const { mostPacketsPerSecond = 0, usPerPacket = 0, heldRate = 0 } = generator;
  return [
    "## The machine",
    markdownTable([
      ["", ""],
      ["date", machine.date],
      ["processor", `${machine.processor}, ${machine.memoryGiB} GiB`],
      ["CPUs", machine.cpus],
      ["kernel, Node", `${machine.kernel}, ${machine.node}`],
      ...Object.entries(machine.settings).map(([name, value]) => [name, value]),
      ["noise without load", `${percent(medianNoise)} of a CPU at the median, ${percent(mostNoise)} at most`],
      [
        "the generator alone",
        `up to ${Math.round(mostPacketsPerSecond / 1e3)},000 packets a second; at 50,000 in bursts of 25 it takes ${usPerPacket.toFixed(2)} µs a packet and holds ${percent(heldRate)} of the rate`,
      ],
    ]),
  ].join("\n\n");
}

/** What the machine did without load, in CPUs: at the median, and at most. */
function idleShares(samples: Results["samples"]): [number, number] {
  const shares = samples.flatMap(({ figures: { idleShare } }) => idleShare ?? []);
  const { median, most } = spreadOf(shares.length === 0 ? [0] : shares);
  return [median, most];
}

function contendersSection({ contenders, machine, failures }: Results): string {
  return [
    "## The contenders",
    ...[
      contenders
        .map(({ id, name, settings }) => {
          const version = machine.versions[id];
          return `- **${name}**${version ? ` ${version}` : ""}: ${settings}`;
        })
        .join("\n"),
      "Left out: **rtpengine** and **Janus** take no plain stream to plain viewers without a signalling partner that sets up every call.",
      ...(failures.length === 0 ? [] : [failures.map((failure) => `- ${failure}`).join("\n")]),
    ],
  ].join("\n\n");
}

function chart(figures: Figures): string {
  const { cases, contenders } = figures.results;
  const groups = cases
    .filter(({ id }) => charted.includes(id))
    .map((load) => ({
      name: load.title,
      bars: contenders.flatMap(({ id, name }) => {
        const value = id === "routing" ? undefined : figures.share(load.id, id)?.median;
        const loss = figures.loss(load.id, id);
        if (value === undefined || loss === undefined) return [];
        return [{ name, value, ...(loss.part > 0.001 && { note: `${formatLoss(loss)} lost` }) }];
      }),
    }));
  return barChart("The relay's share of CPU for each delivered packet, in µs", groups);
}
