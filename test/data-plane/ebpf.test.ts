import { after } from "node:test";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { needsLab } from "../support/lab.ts";
import { type PlaneLab, planeLab, planeScene } from "../support/nat-harness.ts";
import { dataPlaneContract } from "./contract.ts";

let lab: Lab | undefined;
let parts: PlaneLab | undefined;

/** One lab for all: a plane that leaves something behind spoils the next one's test. */
async function lazyLab(): Promise<PlaneLab> {
  lab ??= await createLab(planeScene);
  parts ??= planeLab(lab);
  return parts;
}

after(() => lab?.close());
for (const way of ["ebpf", "ebpf (clsact)", "ebpf (tapped)"] as const) {
  const options = { ...(await needsLab("root", "python3", "tc")), timeout: 30_000 };
  dataPlaneContract(way, async () => (await lazyLab()).harness(way), options);
}
