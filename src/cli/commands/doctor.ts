import { Command } from "commander";
import { readRelayConfig } from "../../config/relay-config.ts";
import { findStateFault } from "../../config/state-file.ts";
import { systemClock } from "../../core/clock.ts";
import { exitCodes } from "../../core/errors.ts";
import { examine } from "../../doctor/examine.ts";
import { readFacts } from "../../doctor/read-facts.ts";
import { relayNeed } from "../doctor-need.ts";
import { createOutput } from "../output.ts";
import { addRelayFlags } from "../relay-flags.ts";
import type { RelayFlags } from "../relay-options.ts";
import { createDoctorRenderer, type DoctorEvent } from "../render-doctor.ts";

/** `punchcast doctor`. */
export function doctorCommand(): Command {
  const command = new Command("doctor").description(
    "Check whether a relay with these options would work on this host, and what each data plane could do here. Changes nothing.",
  );
  return addRelayFlags(command)
    .option("--json", "one JSON object a line")
    .addHelpText("after", "\nExample:\n  sudo punchcast doctor --plane nat --public-address relay.example\n")
    .action(runDoctor);
}

async function runDoctor(flags: RelayFlags): Promise<void> {
  const config = flags.config === undefined ? {} : await readRelayConfig(flags.config);
  const need = await relayNeed(flags, config);
  const facts = await readFacts(need, { clock: systemClock, findStateFault });
  const { checks, ...summary } = examine(facts, need);
  const output = createOutput<DoctorEvent>({ json: flags.json ?? false, render: createDoctorRenderer(checks) });
  for (const check of checks) output.tell({ event: "check", ...check });
  output.tell({ event: "summary", plane: need.plane, ...summary });
  process.exitCode = summary.works ? exitCodes.ok : exitCodes.host;
}
