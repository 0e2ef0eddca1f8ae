/*
 * One stream to one viewer: CPU of the whole path, loss and delay of each plane against plain kernel routing, interleaved in
 * one run, written to docs/benchmarks.md.
 *
 *   node bench/forwarding.ts [--rounds 5] [--seconds 6] [--only NAME,…] [--no-write]
 *
 * Needs Linux, iproute2, a C compiler, and root or user namespaces (root for what sets buffers).
 */
import { cpus, release } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Contender, punchcast, routing, sinkPort } from "./harness/contenders.ts";
import { allowedCpus, busySeconds, idleLoad } from "./harness/cpu.ts";
import { markdownTable, writeSection } from "./harness/document.ts";
import { type Arrival, compileLoad, endSink, type Load, lineReader } from "./harness/load.ts";
import { addresses, type BenchNetwork, createBenchNetwork } from "./harness/network.ts";
import { available, peers } from "./harness/peers.ts";
import { formatSpread, spreadOf } from "./harness/statistics.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "6" },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: true },
  },
  allowNegative: true,
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const loads: readonly Load[] = [
  { packetsPerSecond: 20_000, burst: 10, seconds, bytes: 1_200 },
  { packetsPerSecond: 30_000, burst: 25, seconds, bytes: 1_200 },
];
interface Result extends Arrival {
  readonly microsecondsPerPacket: number;
  readonly lost: number;
  readonly sent: number;
}

const generator = compileLoad();
const all: readonly Contender[] = [
  ...[routing, punchcast("ebpf"), punchcast("nat"), punchcast("userspace", "batched"), punchcast("userspace", "dgram")],
  ...available(peers(generator.path)),
];
const wanted = values.only.split(",").filter(Boolean);
const contenders = all.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const network = await createBenchNetwork();
try {
  const sections: string[] = [];
  for (const load of loads) {
    const results = new Map<Contender, Result[]>(contenders.map((contender) => [contender, []]));
    for (let round = 1; round <= rounds; round += 1) {
      for (const contender of contenders) {
        const result = await measure(network, contender, load);
        results.get(contender)?.push(result);
        console.log(
          `round ${round} ${contender.name}: ${result.microsecondsPerPacket.toFixed(2)} µs, ${result.lost} lost`,
        );
      }
    }
    sections.push(report(load, results));
  }
  const text = `${introduction()}\n\n${sections.join("\n\n")}`;
  console.log(text);
  if (values.write) writeSection("forwarding", text);
} finally {
  await network.close();
  generator.remove();
}

async function measure(at: BenchNetwork, contender: Contender, load: Load): Promise<Result> {
  const running = await contender.start(at, 1);
  try {
    const punchArgs = contender.punch ? [contender.punch.address, String(contender.punch.port)] : [];
    const sink = at.spawn("sink", generator.path, ["receive", String(sinkPort), ...punchArgs]);
    const nextLine = lineReader(sink);
    await nextLine();
    // A second of warmth: the hole opens, the flow is latched and installed, code gets compiled.
    const warm = { ...load, seconds: 1 };
    const before = await send(at, contender, warm);
    await delay(300);
    const noise = await idleLoad(1.5);
    const [busy, startedAt] = [busySeconds(), performance.now()];
    const sent = await send(at, contender, load);
    const elapsed = (performance.now() - startedAt) / 1_000;
    const cpu = busySeconds() - busy - noise * elapsed;
    await delay(300);
    const arrival = await endSink(sink, nextLine);
    const lost = before + sent - arrival.received;
    return { ...arrival, sent: before + sent, lost, microsecondsPerPacket: (cpu * 1e6) / sent };
  } finally {
    await running.stop();
  }
}

async function send(at: BenchNetwork, { target }: Contender, load: Load): Promise<number> {
  const numbers = [load.packetsPerSecond, load.burst, load.seconds, load.bytes].map(String);
  const source = at.spawn("source", generator.path, ["send", target.address, String(target.port), "9099", ...numbers]);
  return JSON.parse(await lineReader(source)()).sent;
}

function introduction(): string {
  return [
    "## One stream, one viewer: what each plane costs",
    "",
    `\`npm run bench\`, ${rounds} interleaved rounds of ${seconds} s each: source, relay and sink in three network namespaces`,
    `over two veth pairs, packets of 1,200 bytes. CPU is all that CPU ${allowedCpus()} did (user, system, softirq, from \`/proc/stat\`),`,
    "generator and sink included, less the idle load before each run. Median (least-most). Delay is one way, from the source's",
    `clock to the sink's (the same clock). ${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.versions.node}.`,
    `The relay is at ${addresses.relayIngest} and ${addresses.relayPunch}; every relay of Punchcast's has one bare viewer.`,
    "",
    ...contenders.map(({ name, settings }) => `- ${name}: ${settings}`),
    "- coturn: left out, since it relays to peers that a TURN client names, which no publisher of RTP does",
  ].join("\n");
}

function report(load: Load, results: ReadonlyMap<Contender, readonly Result[]>): string {
  const of = (contender: Contender, value: (result: Result) => number): number[] =>
    (results.get(contender) ?? []).map(value);
  const floor = spreadOf(of(routing, (result) => result.microsecondsPerPacket)).median;
  const rows = contenders.map((contender) => {
    const cost = spreadOf(of(contender, (result) => result.microsecondsPerPacket));
    const lost = of(contender, (result) => result.lost).reduce((sum, count) => sum + count, 0);
    const sent = of(contender, (result) => result.sent).reduce((sum, count) => sum + count, 0);
    const delays = [(r: Result) => r.p50Us, (r: Result) => r.p99Us, (r: Result) => r.p999Us];
    return [
      contender.name,
      formatSpread(cost),
      (cost.median / floor).toFixed(2),
      `${lost} of ${sent}`,
      ...delays.map((value) => spreadOf(of(contender, value)).median.toFixed(0)),
    ];
  });
  const heading = ["", "CPU µs per packet", "× routing", "lost", "delay p50 µs", "p99 µs", "p99.9 µs"];
  const title = `**${load.packetsPerSecond.toLocaleString("en")} packets a second in bursts of ${load.burst}**`;
  return `${title}\n\n${markdownTable([heading, ...rows])}`;
}
