import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lineReader } from "../harness/load.ts";
import { type Contender, ingest, punchPort } from "./contender.ts";

/** Punchcast's data planes, with bare viewers. Engines are named, whichever is the default. */
export const planes: readonly Contender[] = [
  plane({ id: "ebpf", name: "punchcast ebpf", plane: "ebpf" }),
  { ...plane({ id: "nat", name: "punchcast nat", plane: "nat" }), mostViewers: 1 },
  plane({ id: "userspace", name: "punchcast userspace", plane: "userspace", engine: "batched" }),
  {
    ...plane({ id: "userspace-cut", name: "punchcast userspace, device cuts", plane: "userspace", engine: "batched" }),
    deviceCuts: true,
    leastViewers: 100,
  },
  plane({ id: "userspace-dgram", name: "punchcast userspace, dgram engine", plane: "userspace", engine: "dgram" }),
];

interface PlaneChoice {
  readonly id: string;
  readonly name: string;
  readonly plane: string;
  /** The userspace plane's. */
  readonly engine?: "dgram" | "batched";
}

function plane(choice: PlaneChoice): Contender {
  const engine = choice.engine === undefined ? "" : `, \`PUNCHCAST_ENGINE=${choice.engine}\``;
  return {
    ...{ id: choice.id, name: choice.name, target: ingest, punch: punchPort },
    settings: `\`punchcast relay --open --plane ${choice.plane}\`${engine}`,
    async start(network, viewers) {
      const folder = mkdtempSync(join(tmpdir(), "punchcast-bench-"));
      const script = new URL("../../bin/punchcast.js", import.meta.url).pathname;
      const config = join(folder, "relay.yaml");
      // All viewers have one address, which the relay's limits would take for one household.
      const [holes, requests] = [viewers + 128, viewers * 10 + 1_000];
      const limits = `bareHoles: ${holes}, holesPerAddress: ${holes}, requestsPerSecond: ${requests}`;
      writeFileSync(config, `limits: { ${limits} }\n`);
      const args = ["relay", "--open", "--json", "--plane", choice.plane, "--config", config];
      const command = [process.execPath, script, ...args, "--state", join(folder, "relay.json")];
      const relay = network.spawn("relay", "env", [`PUNCHCAST_ENGINE=${choice.engine ?? ""}`, ...command]);
      const nextLine = lineReader(relay);
      while (JSON.parse(await nextLine()).event !== "listening");
      // A pipe that nobody empties would hold the relay up.
      const drain = async (): Promise<never> => {
        for (;;) await nextLine();
      };
      drain().catch(() => {});
      return {
        process: relay,
        async stop() {
          relay.kill("SIGTERM");
          if (relay.exitCode === null && relay.signalCode === null) await once(relay, "exit");
          rmSync(folder, { recursive: true });
        },
      };
    },
  };
}
