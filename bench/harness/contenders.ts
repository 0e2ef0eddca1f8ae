import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lineReader } from "./load.ts";
import { addresses, type BenchNetwork } from "./network.ts";

/** A contender at work. */
export interface Running {
  /** Its process; `undefined` if the kernel does it all. */
  readonly process?: ChildProcess;
  /** Stops it and leaves the network as it was. */
  stop(): Promise<void>;
}

/** Something that brings packets from the source to the sink. */
export interface Contender {
  readonly name: string;
  /** How it was set up, for the report. */
  readonly settings: string;
  /** Programs that must be there. */
  readonly needs?: readonly string[];
  /** The most viewers it can serve. Default: any number. */
  readonly mostViewers?: number;
  /** Starts it for viewers on the sink's ports from `sinkPort` on. */
  start(network: BenchNetwork, viewers: number): Promise<Running>;
  /** Where the source sends to. */
  readonly target: { readonly address: string; readonly port: number };
  /** Where the sink punches to; `undefined`: the packets are sent to the sink itself. */
  readonly punch?: { readonly address: string; readonly port: number };
}

/** The sink's port; viewer k of many has the k-th after it. */
export const sinkPort = 7_000;

/** Where contenders take packets in, and where Punchcast takes punches. */
export const ingest: { readonly address: string; readonly port: number } = {
  address: addresses.relayIngest,
  port: 9_099,
};
const punch = { address: addresses.relayPunch, port: 9_000 };

/** The kernel forwards, nothing is rewritten: the floor. */
export const routing: Contender = {
  name: "plain kernel routing",
  settings: "ip_forward, no rules",
  mostViewers: 1,
  target: { address: addresses.sink, port: sinkPort },
  async start(network) {
    await network.run("relay", "sysctl", ["-qw", "net.ipv4.ip_forward=1"]);
    return {
      stop: async () => {
        await network.run("relay", "sysctl", ["-qw", "net.ipv4.ip_forward=0"]);
      },
    };
  },
};

/** One of Punchcast's data planes with bare viewers; `engine` is the userspace plane's. */
export function punchcast(plane: string, engine?: "dgram" | "batched"): Contender {
  return {
    name: `punchcast --plane ${plane}${engine === undefined ? "" : ` (${engine})`}`,
    settings: "relay --open, bare viewers",
    ...(plane === "nat" && { mostViewers: 1 }),
    target: ingest,
    punch,
    async start(network, viewers) {
      const folder = mkdtempSync(join(tmpdir(), "punchcast-bench-"));
      const script = new URL("../../bin/punchcast.js", import.meta.url).pathname;
      const config = join(folder, "relay.yaml");
      writeFileSync(config, `limits: { bareHoles: ${viewers + 32}, holesPerAddress: ${viewers + 32} }\n`);
      const args = ["relay", "--open", "--json", "--plane", plane, "--config", config];
      const command = [process.execPath, script, ...args, "--state", join(folder, "relay.json")];
      const relay = network.spawn("relay", "env", [`PUNCHCAST_ENGINE=${engine ?? ""}`, ...command]);
      const nextLine = lineReader(relay);
      while (JSON.parse(await nextLine()).event !== "listening");
      relay.stdout?.resume();
      return {
        process: relay,
        async stop() {
          relay.kill("SIGTERM");
          await once(relay, "exit");
          rmSync(folder, { recursive: true });
        },
      };
    },
  };
}
