import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What is sent. */
export interface Load {
  readonly packetsPerSecond: number;
  /** Packets back to back, as the packets of a video frame are. */
  readonly burst: number;
  readonly seconds: number;
  /** UDP payload. */
  readonly bytes: number;
}

/** What arrived at a sink; delays one way, in microseconds. */
export interface Arrival {
  readonly received: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
}

/** Compiles the load generator into a temporary folder. */
export function compileLoad(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "punchcast-load-"));
  const path = join(folder, "load");
  execFileSync("cc", ["-O2", "-o", path, new URL("../load/load.c", import.meta.url).pathname]);
  return { path, remove: () => rmSync(folder, { recursive: true }) };
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

/** Ends a sink that was started with `load receive` and reads what arrived. */
export async function endSink(sink: ChildProcess, nextLine: () => Promise<string>): Promise<Arrival> {
  sink.stdin?.end();
  const { received, p50, p99, p999 } = JSON.parse(await nextLine());
  if (sink.exitCode === null) await once(sink, "exit");
  return { received, p50Us: p50 / 1_000, p99Us: p99 / 1_000, p999Us: p999 / 1_000 };
}
