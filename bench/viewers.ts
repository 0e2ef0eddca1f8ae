/*
 * N viewers of one stream on one relay process, all on loopback: loss, CPU and memory of the relay.
 *
 *   node bench/viewers.ts [--viewers 100] [--mbits 4] [--seconds 60]
 *
 * Relay, sender and viewers are processes of their own, so that the relay's CPU is the relay's. Viewers punch with the
 * agent's own code and count RTP sequence numbers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    viewers: { type: "string", default: "100" },
    mbits: { type: "string", default: "4" },
    seconds: { type: "string", default: "60" },
  },
});
const viewers = Number(values.viewers);
const mbits = Number(values.mbits);
const seconds = Number(values.seconds);
const ports = { punch: 19_000, ingest: 19_099 };

const folder = await mkdtemp(join(tmpdir(), "punchcast-bench-"));
const children: ChildProcess[] = [];
try {
  // The crowd is one address, which the relay's limits take for one household.
  const config = join(folder, "relay.yaml");
  await writeFile(config, `limits: { holesPerAddress: ${viewers + 1}, requestsPerSecond: ${viewers * 10} }\n`);
  const relay = start("../bin/punchcast.js", [
    ...[
      "relay",
      "--json",
      "--listen",
      "127.0.0.1",
      "--punch-port",
      String(ports.punch),
      "--ingest-port",
      String(ports.ingest),
    ],
    ...["--components", "2", "--config", config, "--state", join(folder, "relay.json")],
  ]);
  const { streams } = await firstLine(relay, (line) => line.event === "listening");
  const crowd = start("./load/viewers-crowd.ts", [String(streams[0].watchUrl), String(viewers)]);
  await firstLine(crowd, (line) => line.event === "ready");
  const before = usage(relay);
  const sender = start("./load/viewers-sender.ts", [String(ports.ingest), String(mbits), String(seconds)]);
  const { packets } = await firstLine(sender, (line) => line.event === "sent");
  const after = usage(relay);
  crowd.stdin?.end();
  const { received, missing } = await firstLine(crowd, (line) => line.event === "received");
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  const rows = [
    ["viewers", `${viewers}`],
    ["stream", `${mbits} Mbit/s, ${packets} packets of 1,200 bytes in ${seconds} s`],
    ["delivered", `${received} of ${packets * viewers}`],
    ["lost", `${packets * viewers - received} (viewers with a gap: ${missing})`],
    [
      "relay CPU",
      `${((cpuSeconds / seconds) * 100).toFixed(1)} % of a core, ${((cpuSeconds * 1e6) / (packets * viewers)).toFixed(2)} µs per delivered packet`,
    ],
    [
      "relay memory",
      `${(after.rssBytes / 2 ** 20).toFixed(0)} MiB resident (${(before.rssBytes / 2 ** 20).toFixed(0)} before the stream)`,
    ],
    ["machine", `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.versions.node}`],
  ];
  for (const [name = "", value = ""] of rows) console.log(`${name.padEnd(14)}${value}`);
  process.exitCode = received === packets * viewers ? 0 : 1;
} finally {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
}

function start(script: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [new URL(script, import.meta.url).pathname, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

// biome-ignore lint/suspicious/noExplicitAny: lines of three programs, each read for a few fields
async function firstLine(child: ChildProcess, wanted: (line: any) => boolean): Promise<any> {
  if (child.stdout === null) throw new Error("no output to read");
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text);
    if (!wanted(line)) continue;
    child.stdout.resume();
    return line;
  }
  await once(child, "exit");
  throw new Error(`a part of the bench ended early with code ${child.exitCode}`);
}

/** What a process has used so far, from /proc (clock ticks of 10 ms). */
function usage(child: ChildProcess): { cpuSeconds: number; rssBytes: number } {
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  return { cpuSeconds: ((fields[11] ?? 0) + (fields[12] ?? 0)) / 100, rssBytes: (fields[21] ?? 0) * 4096 };
}
