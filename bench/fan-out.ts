/*
 * One stream to many viewers: CPU and loss of the userspace plane against what people would use instead, interleaved in one
 * run, written to docs/benchmarks.md and docs/fan-out.svg.
 *
 *   node bench/fan-out.ts [--viewers 10,100,500,1000] [--rounds 3] [--seconds 4] [--only NAME,…] [--no-write]
 *
 * Needs Linux, iproute2, nftables, a C compiler, and root or user namespaces (root for what sets buffers).
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type BarGroup, barChart } from "./harness/bar-chart.ts";
import { type Contender, punchcast, sinkPort } from "./harness/contenders.ts";
import { busySeconds, idleLoad } from "./harness/cpu.ts";
import { cpuSecondsOf } from "./harness/cpu-of.ts";
import { markdownTable, writeSection } from "./harness/document.ts";
import { installDropCounter, setDeviceCuts } from "./harness/drop-counter.ts";
import { compileLoad, lineReader } from "./harness/load.ts";
import { type BenchNetwork, createBenchNetwork } from "./harness/network.ts";
import { available, peers } from "./harness/peers.ts";
import { formatSpread, spreadOf } from "./harness/statistics.ts";

const { values } = parseArgs({
  options: {
    viewers: { type: "string", default: "10,100,500,1000" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const bytes = 1_200;
/** A stream of 4 Mbit/s: 417 packets of 1,200 bytes a second, which is 32 frames of 13. */
const packetsPerSecond = 416;

/** A contender, and who cuts messages of many packets up: the relay's device, or its kernel. */
interface Entry {
  readonly contender: Contender;
  readonly deviceCuts: boolean;
  readonly name: string;
}

interface Result {
  readonly wholeUs: number;
  readonly ownUs: number;
  readonly lost: number;
  readonly sent: number;
}

const generator = compileLoad();
const network = await createBenchNetwork();
try {
  const counter = await installDropCounter(network);
  const entries = chooseEntries();
  const sections: string[] = [];
  const groups: BarGroup[] = [];
  for (const viewers of values.viewers.split(",").map(Number)) {
    for (const burst of [1, 13]) {
      const results = new Map<Entry, Result[]>(entries.map((entry) => [entry, []]));
      for (let round = 1; round <= rounds; round += 1) {
        for (const entry of entries) {
          const result = await measure(entry, viewers, burst, (size) => counter.packets(size));
          results.get(entry)?.push(result);
          const { ownUs, wholeUs, lost, sent } = result;
          console.log(
            `1→${viewers}, bursts of ${burst}, round ${round}, ${entry.name}: own ${ownUs.toFixed(2)} µs, whole ${wholeUs.toFixed(2)} µs, ${lost} of ${sent} lost`,
          );
        }
      }
      const title = `1→${viewers}, ${burst === 1 ? "single packets" : `frame bursts of ${burst}`}`;
      sections.push(report(title, results));
      const bars = [...results].map(([{ name }, all]) => ({ name, value: spreadOf(all.map((r) => r.ownUs)).median }));
      groups.push({ name: title, bars });
    }
  }
  const text = `${introduction(entries)}\n\n${sections.join("\n\n")}`;
  console.log(text);
  if (values.write) {
    writeSection("fan-out", text);
    const chart = barChart("CPU of the relay per delivered packet", "µs", groups);
    writeFileSync(new URL("../docs/fan-out.svg", import.meta.url), chart);
  }
} finally {
  await network.close();
  generator.remove();
}

function chooseEntries(): Entry[] {
  const ours: Entry[] = [
    { contender: punchcast("userspace", "batched"), deviceCuts: false, name: "punchcast userspace" },
    { contender: punchcast("userspace", "batched"), deviceCuts: true, name: "punchcast userspace, device cuts" },
    { contender: punchcast("userspace", "dgram"), deviceCuts: false, name: "punchcast userspace (dgram)" },
  ];
  const others = available(peers(generator.path)).filter(({ mostViewers = 2 }) => mostViewers > 1);
  const all = [...ours, ...others.map((contender) => ({ contender, deviceCuts: false, name: contender.name }))];
  const wanted = values.only.split(",").filter(Boolean);
  return wanted.length === 0 ? all : all.filter(({ name }) => wanted.includes(name));
}

async function measure(
  { contender, deviceCuts }: Entry,
  viewers: number,
  burst: number,
  arrived: (size: number) => Promise<number>,
): Promise<Result> {
  await setDeviceCuts(network, deviceCuts);
  const running = await contender.start(network, viewers);
  let punching: ChildProcess | undefined;
  try {
    if (contender.punch !== undefined) {
      const args = [sinkPort, viewers, contender.punch.address, contender.punch.port].map(String);
      punching = network.spawn("sink", generator.path, ["punch", ...args]);
      await lineReader(punching)();
      punching.stdout?.resume();
      await delay(200);
    }
    await send(network, contender, burst, 1);
    await delay(300);
    const noise = await idleLoad(1);
    const before = await arrived(bytes);
    const [busy, own, startedAt] = [busySeconds(), cpuSecondsOf(running.process?.pid), performance.now()];
    const sent = await send(network, contender, burst, seconds);
    await delay(100);
    const elapsed = (performance.now() - startedAt) / 1_000;
    const whole = busySeconds() - busy - noise * elapsed;
    const ownSeconds = cpuSecondsOf(running.process?.pid) - own;
    const delivered = (await arrived(bytes)) - before;
    const perPacket = (cpu: number): number => (cpu * 1e6) / delivered;
    return {
      wholeUs: perPacket(whole),
      ownUs: perPacket(ownSeconds),
      sent: sent * viewers,
      lost: sent * viewers - delivered,
    };
  } finally {
    punching?.stdin?.end();
    if (punching !== undefined && punching.exitCode === null) await once(punching, "exit");
    await running.stop();
  }
}

async function send(at: BenchNetwork, { target }: Contender, burst: number, forSeconds: number): Promise<number> {
  const numbers = [packetsPerSecond, burst, forSeconds, bytes].map(String);
  const source = at.spawn("source", generator.path, ["send", target.address, String(target.port), "9099", ...numbers]);
  return JSON.parse(await lineReader(source)()).sent;
}

function introduction(entries: readonly Entry[]): string {
  const settings = new Map(entries.map(({ contender }) => [contender.name, contender.settings]));
  return [
    "## One stream, many viewers: what a delivered packet costs",
    "",
    `\`npm run bench\`, ${rounds} interleaved rounds of ${seconds} s each: 4 Mbit/s as packets of 1,200 bytes, over two veth pairs.`,
    "What arrives is counted and dropped at the viewers' device. **Relay** is the CPU time of the relay's process with what the",
    "kernel does in its name; **whole** is all of the machine's, generator included, less its idle load before each run.",
    "Median (least-most), per delivered packet. Messages of many packets are cut up by the relay's kernel before they leave, as",
    'on a network card that cannot; "device cuts" is the same with a card that can.',
    `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.versions.node}.`,
    "",
    ...[...settings].map(([name, how]) => `- ${name}: ${how}`),
    "",
    "![CPU of the relay per delivered packet](fan-out.svg)",
  ].join("\n");
}

function report(title: string, results: ReadonlyMap<Entry, readonly Result[]>): string {
  const median = (all: readonly Result[]): number => spreadOf(all.map(({ ownUs }) => ownUs)).median;
  const ours = median([...results.values()][0] ?? []);
  const rows = [...results].map(([{ name }, all]) => {
    const sum = (of: "lost" | "sent"): number => all.reduce((total, result) => total + result[of], 0);
    return [
      name,
      formatSpread(spreadOf(all.map(({ ownUs }) => ownUs)), 2),
      (ours / median(all)).toFixed(2),
      formatSpread(spreadOf(all.map(({ wholeUs }) => wholeUs)), 2),
      `${sum("lost")} of ${sum("sent")}`,
    ];
  });
  const heading = ["", "relay, µs", "ours ÷ this", "whole, µs", "lost"];
  return `**${title}**\n\n${markdownTable([heading, ...rows])}`;
}
