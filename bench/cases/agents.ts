/* Viewers with the agent's own code on one relay process, all on loopback: loss, CPU and memory of the relay, time to join. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cpuSecondsOf, residentMiBOf } from "../harness/cpu.ts";

const ports = { punch: 19_000, ingest: 19_099 };
const mbits = 4;

/** Relay, sender and viewers are processes of their own, so that the relay's CPU is the relay's. */
export async function measureAgents(viewers: number, seconds: number): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), "punchcast-bench-"));
  const children: ChildProcess[] = [];
  const start = (script: string, args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [new URL(script, import.meta.url).pathname, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, PUNCHCAST_ENGINE: "batched" },
    });
    children.push(child);
    return child;
  };
  try {
    // The crowd is one address, which the relay's limits take for one household.
    const config = join(folder, "relay.yaml");
    await writeFile(config, `limits: { holesPerAddress: ${viewers + 1}, requestsPerSecond: ${viewers * 10} }\n`);
    const relay = start("../../bin/punchcast.js", [
      ...["relay", "--json", "--plane", "userspace", "--listen", "127.0.0.1", "--components", "2"],
      ...["--punch-port", String(ports.punch), "--ingest-port", String(ports.ingest)],
      ...["--config", config, "--state", join(folder, "relay.json")],
    ]);
    const { streams } = await firstLine(relay, (line) => line.event === "listening");
    const crowd = start("../load/viewers-crowd.ts", [String(streams[0].watchUrl), String(viewers)]);
    const { joinP50Ms, joinMostMs } = await firstLine(crowd, (line) => line.event === "ready");
    const pid = relay.pid ?? 0;
    const [emptyMiB, before] = [residentMiBOf(pid), cpuSecondsOf(pid)];
    const sender = start("../load/viewers-sender.ts", [String(ports.ingest), String(mbits), String(seconds)]);
    const { packets } = await firstLine(sender, (line) => line.event === "sent");
    const [residentMiB, processSeconds] = [residentMiBOf(pid), cpuSecondsOf(pid) - before];
    crowd.stdin?.end();
    const { received } = await firstLine(crowd, (line) => line.event === "received");
    const lost = packets * viewers - received;
    return { viewers, seconds, sent: packets, lost, processSeconds, emptyMiB, residentMiB, joinP50Ms, joinMostMs };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
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
