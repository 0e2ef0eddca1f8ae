import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { addresses, type BenchNetwork } from "./network.ts";

/** What is sent. */
export interface Load {
  readonly packetsPerSecond: number;
  /** Packets back to back, as the packets of a video frame are. */
  readonly burst: number;
  /** UDP payload. */
  readonly bytes: number;
}

/** What arrived at a sink; delays one way, in microseconds. Jitter: by how much the delay changes from packet to packet. */
export interface Arrival {
  readonly received: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly jitterUs: number;
}

/** The bench's compiled programs. */
export interface Programs {
  readonly load: string;
  readonly relay: string;
  readonly busy: string;
  /** Their folder and all that contenders kept in it. */
  remove(): void;
}

/** Compiles them into a temporary folder, which from then on is this process's place for temporary files. */
export function compilePrograms(): Programs {
  const folder = mkdtempSync(join(tmpdir(), "punchcast-bench-"));
  // Contenders' folders go into it, so that an end before time leaves none of them.
  process.env.TMPDIR = folder;
  const compile = (name: string): string => {
    const path = join(folder, name);
    execFileSync("cc", ["-O2", "-o", path, new URL(`../load/${name}.c`, import.meta.url).pathname]);
    return path;
  };
  const [load, relay, busy] = [compile("load"), compile("relay"), compile("busy")];
  return { load, relay, busy, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The lines of a child, one after the other; rejects if it ends first. */
export function lineReader(child: ChildProcess): () => Promise<string> {
  if (child.stdout === null) throw new Error("the child has no output");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error("a part of the bench ended early");
    return value;
  };
}

const sourcePort = "9099";

/** A sender that is there before its load is asked for, so that no start of a process is in the figures. */
export interface Source {
  /** Answers once all is sent: how many, and in which time. */
  send(load: Load, seconds: number): Promise<{ readonly sent: number; readonly seconds: number }>;
  stop(): Promise<void>;
}

/** Starts a sender from port 9099. */
export async function startSource(
  network: BenchNetwork,
  programs: Programs,
  to: { readonly address: string; readonly port: number },
): Promise<Source> {
  const child = network.spawn("source", programs.load, ["source", to.address, String(to.port), sourcePort]);
  const nextLine = lineReader(child);
  await nextLine();
  return {
    async send({ packetsPerSecond, burst, bytes }, seconds) {
      child.stdin?.write(`${packetsPerSecond} ${burst} ${seconds} ${bytes}\n`);
      return JSON.parse(await nextLine());
    },
    stop: () => endChild(child),
  };
}

/** A viewer that counts and times what it gets. */
export interface Sink {
  /** What came since the last `reset`. */
  read(): Promise<Arrival>;
  /** The same, and counts anew. */
  reset(): Promise<Arrival>;
  stop(): Promise<void>;
}

/** Starts a viewer at a port; with `punch` it opens a hole there and keeps it open, by TURN if that is said. */
export async function startSink(
  network: BenchNetwork,
  programs: Programs,
  port: number,
  punch?: { readonly address: string; readonly port: number },
  turn: boolean = false,
): Promise<Sink> {
  const punchArgs = punch === undefined ? [] : [punch.address, String(punch.port)];
  const peer = turn ? [addresses.source, sourcePort] : [];
  const child = network.spawn("sink", programs.load, ["receive", String(port), ...punchArgs, ...peer]);
  const nextLine = lineReader(child);
  await nextLine();
  const ask = async (question: string): Promise<Arrival> => {
    child.stdin?.write(`${question}\n`);
    const { received, p50, p99, p999, jitter } = JSON.parse(await nextLine());
    return { received, p50Us: p50 / 1e3, p99Us: p99 / 1e3, p999Us: p999 / 1e3, jitterUs: jitter / 1e3 };
  };
  return { read: () => ask("peek"), reset: () => ask("reset"), stop: () => endChild(child) };
}

/** Closes a child's standard input and waits for its end. */
export async function endChild(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  child.stdout?.resume();
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}
