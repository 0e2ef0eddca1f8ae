import { after } from "node:test";
import type { NatTool } from "../../src/data-plane/nat/nat-backend.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { needsLab } from "../support/lab.ts";
import { type PlaneLab, planeLab, planeScene } from "../support/nat-harness.ts";
import { dataPlaneContract } from "./contract.ts";

const tools: readonly NatTool[] = ["nft", "iptables-nft", "iptables-legacy"];
let lab: Lab | undefined;
let parts: PlaneLab | undefined;

/** One lab for all: a plane that leaves something behind spoils the next one's test. */
async function lazyLab(): Promise<PlaneLab> {
  lab ??= await createLab(planeScene);
  parts ??= planeLab(lab);
  return parts;
}

after(() => lab?.close());
for (const tool of tools) {
  const options = { ...(await needsLab("python3", "conntrack", tool)), timeout: 30_000 };
  dataPlaneContract(`nat (${tool})`, async () => (await lazyLab()).harness(tool), options);
}
