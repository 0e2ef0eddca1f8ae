import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { lineReader } from "../harness/load.ts";
import type { BenchNetwork } from "../harness/network.ts";
import { ingest, type Running } from "./contender.ts";

/** Starts a relay that prints a line once it is ready. */
export async function startReady(network: BenchNetwork, command: string, args: readonly string[]): Promise<Running> {
  const child = network.spawn("relay", command, args);
  await lineReader(child)();
  return running(child);
}

/** Starts a relay that does not say when it is ready: it is when it has bound `port`. Throws if that takes over 10 s. */
export async function startSilent(
  network: BenchNetwork,
  command: string,
  args: readonly string[],
  port: number = ingest.port,
): Promise<Running> {
  const child = network.spawn("relay", command, args);
  child.stdout?.resume();
  const bound = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  for (let patience = 100; patience > 0; patience -= 1) {
    await delay(100);
    if (child.exitCode !== null) throw new Error(`${command} ended with code ${child.exitCode}`);
    if ((await network.run("relay", "cat", ["/proc/net/udp"])).includes(bound)) return running(child);
  }
  child.kill("SIGKILL");
  throw new Error(`${command} did not bind port ${port} within 10 s`);
}

function running(child: ChildProcess): Running {
  return {
    process: child,
    async stop() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}
