import { Command } from "commander";
import { readRelayConfig } from "../../config/relay-config.ts";
import { openStateStore } from "../../config/state-file.ts";
import { systemRandom } from "../../core/random.ts";
import type { ServerEvent } from "../../server/server-events.ts";
import { apiChoice, httpChoice } from "../http-options.ts";
import { createOutput } from "../output.ts";
import { printRules } from "../print-rules.ts";
import { addRelayFlags } from "../relay-flags.ts";
import { type RelayFlags, relayOptions, relayStatePath } from "../relay-options.ts";
import { createRelayRenderer } from "../render-relay.ts";
import { startRelay } from "../start-relay.ts";
import { listenForStop } from "../until-stopped.ts";

/** `punchcast relay`. */
export function relayCommand(): Command {
  const command = new Command("relay").description("Run the relay: senders stream to it, viewers punch holes to it.");
  return addRelayFlags(command)
    .option("--print-rules", "print what --plane nat would do to this host, and end")
    .option("--json", "one JSON object a line")
    .addHelpText("after", "\nExample:\n  punchcast relay --public-address relay.example\n")
    .action(runRelay);
}

async function runRelay(flags: RelayFlags): Promise<void> {
  const config = flags.config === undefined ? {} : await readRelayConfig(flags.config);
  const state = await openStateStore(relayStatePath(flags, config), systemRandom);
  const options = await relayOptions(flags, config, state);
  if (flags.printRules === true) return printRules(options);
  const output = createOutput<ServerEvent>({
    json: flags.json ?? false,
    render: createRelayRenderer(options.open !== undefined),
  });
  const http = await httpChoice(flags, config);
  const warnings = [...(options.warnings ?? [])];
  const api =
    http.port === "none" ? undefined : await apiChoice(flags, config, state, (text) => void warnings.push(text));
  const stop = listenForStop();
  try {
    const relay = await startRelay({ ...options, warnings, onEvent: output.tell }, http, api);
    await stop.stopped;
    output.end();
    await relay.close();
  } finally {
    stop.release();
  }
}
