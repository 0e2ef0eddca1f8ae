import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lineReader } from "./load.ts";
import { addresses, type BenchNetwork } from "./network.ts";

/** Something that brings packets from the source to the sink. */
export interface Contender {
  readonly name: string;
  /** How it was set up, for the report. */
  readonly settings: string;
  /** Starts it; the returned function stops it and leaves the network as it was. */
  start(network: BenchNetwork): Promise<() => Promise<void>>;
  /** Where the source sends to. */
  readonly target: { readonly address: string; readonly port: number };
  /** Where the sink punches to; `undefined`: the packets are sent to the sink itself. */
  readonly punch?: { readonly address: string; readonly port: number };
}

/** The sink's port. */
export const sinkPort = 7_000;

const ingest = { address: addresses.relayIngest, port: 9_099 };
const punch = { address: addresses.relayPunch, port: 9_000 };

/** The kernel forwards, nothing is rewritten: the floor. */
export const routing: Contender = {
  name: "plain kernel routing",
  settings: "ip_forward, no rules",
  target: { address: addresses.sink, port: sinkPort },
  async start(network) {
    await network.run("relay", "sysctl", ["-qw", "net.ipv4.ip_forward=1"]);
    return async () => {
      await network.run("relay", "sysctl", ["-qw", "net.ipv4.ip_forward=0"]);
    };
  },
};

/** One of Punchcast's data planes, with one bare viewer; `engine` is the userspace plane's. */
export function punchcast(plane: string, engine?: "dgram" | "batched"): Contender {
  return {
    name: `punchcast --plane ${plane}${engine === undefined ? "" : ` (${engine})`}`,
    settings: "relay --open, one viewer",
    target: ingest,
    punch,
    async start(network) {
      const folder = mkdtempSync(join(tmpdir(), "punchcast-bench-"));
      const script = new URL("../../bin/punchcast.js", import.meta.url).pathname;
      const args = ["relay", "--open", "--json", "--plane", plane, "--state", join(folder, "relay.json")];
      const env = engine === undefined ? [] : [`PUNCHCAST_ENGINE=${engine}`];
      const relay = network.spawn("relay", "env", [...env, process.execPath, script, ...args]);
      const nextLine = lineReader(relay);
      while (JSON.parse(await nextLine()).event !== "listening");
      relay.stdout?.resume();
      return async () => {
        relay.kill("SIGTERM");
        await once(relay, "exit");
        rmSync(folder, { recursive: true });
      };
    },
  };
}
