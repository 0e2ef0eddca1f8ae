import { Command, Option } from "commander";
import { readRelayConfig } from "../../config/relay-config.ts";
import { defaultPunchPort } from "../../core/punch-url.ts";
import { createRelay } from "../../server/relay-server.ts";
import type { ServerEvent } from "../../server/server-events.ts";
import { cidrs, hostName, integer, integerOrNone, ipAddress } from "../option-parsers.ts";
import { createOutput } from "../output.ts";
import { printRules } from "../print-rules.ts";
import { defaultComponents, defaultIngestPort, type RelayFlags, relayOptions } from "../relay-options.ts";
import { createRelayRenderer } from "../render-relay.ts";
import { listenForStop } from "../until-stopped.ts";

/** `punchcast relay`. */
export function relayCommand(): Command {
  const secret = (flags: string, description: string, variable: string): Option =>
    new Option(flags, description).env(variable);
  return new Command("relay")
    .description("Run the relay: senders stream to it, viewers punch holes to it.")
    .option("--config <file>", "YAML file with these settings in camel case and any number of streams")
    .option("--listen <address>", "address to bind (default: every address of this host)", ipAddress)
    .option("--public-address <host>", "host to print in URLs, for a server behind a cloud's 1:1 NAT", hostName)
    .option("--punch-port <port>", `UDP port that viewers punch to (default: ${defaultPunchPort})`, integer(0, 65_535))
    .option("--stream <name>", "name of the stream (default: live)")
    .option(
      "--ingest-port <port>",
      `UDP port of component 0, or 'none' to take media by the publish key only (default: ${defaultIngestPort})`,
      integerOrNone(1, 65_535),
    )
    .option(
      "--components <count>",
      `UDP ports of the stream, two for each RTP track (default: ${defaultComponents})`,
      integer(1, 255),
    )
    .option("--from <cidr>", "take media only from this source (repeatable; default: first come)", cidrs)
    .addOption(
      secret(
        "--view-key <key>",
        "key to watch (default: generated once, kept in the state file)",
        "PUNCHCAST_VIEW_KEY",
      ),
    )
    .addOption(secret("--publish-key <key>", "key to publish (default: likewise)", "PUNCHCAST_PUBLISH_KEY"))
    .addOption(
      secret("--auth-secret <secret>", "take time-limited credentials, as TURN servers do", "PUNCHCAST_AUTH_SECRET"),
    )
    .option("--open", "take bare punches: any datagram opens a hole, viewers need no key")
    .option("--open-from <cidr>", "take bare punches only from this source (repeatable)", cidrs)
    .addOption(new Option("--plane <plane>", "what moves the media (default: userspace)").choices(["userspace", "nat"]))
    .option("--print-rules", "print what --plane nat would do to this host, and end")
    .option("--state <file>", "file that keeps generated keys (default: relay.json in the platform's state folder)")
    .option("--json", "one JSON object a line")
    .addHelpText("after", "\nExample:\n  punchcast relay --public-address relay.example\n")
    .action(runRelay);
}

async function runRelay(flags: RelayFlags): Promise<void> {
  const config = flags.config === undefined ? {} : await readRelayConfig(flags.config);
  const options = await relayOptions(flags, config);
  if (flags.printRules === true) return printRules(options);
  const output = createOutput<ServerEvent>({
    json: flags.json ?? false,
    render: createRelayRenderer(flags.open ?? false),
  });
  const stop = listenForStop();
  try {
    const relay = await createRelay({ ...options, onEvent: output.tell });
    await stop.stopped;
    output.end();
    await relay.close();
  } finally {
    stop.release();
  }
}
