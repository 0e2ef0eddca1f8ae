import { type Command, Option } from "commander";
import { readAdminToken } from "../config/state-file.ts";
import { PunchcastError } from "../core/errors.ts";
import { defaultPunchPort } from "../core/punch-url.ts";
import { createRelayClient, type RelayClient } from "../http/client/relay-client.ts";
import { httpUrl } from "./option-parsers.ts";
import { defaultStatePath } from "./relay-options.ts";

/** The flags of commands that talk to a running relay. */
export interface ApiFlags {
  readonly http: string;
  readonly adminToken?: string;
  readonly state?: string;
  readonly json?: boolean;
}

/** Gives a command the options that say which relay is asked, and as whom. */
export function addApiFlags(command: Command): Command {
  return command
    .option("--http <url>", "the relay's HTTP port", httpUrl, `http://127.0.0.1:${defaultPunchPort}`)
    .addOption(
      new Option("--admin-token <token>", "the relay's token (default: from its state file, on the same host)").env(
        "PUNCHCAST_ADMIN_TOKEN",
      ),
    )
    .option("--state <file>", "the relay's state file (default: relay.json in the platform's state folder)")
    .option("--json", "one JSON object a line");
}

/**
 * The relay that is meant.
 * @throws PunchcastError BAD_OPTION if there is no token
 */
export async function openApi({ http, adminToken, state = defaultStatePath() }: ApiFlags): Promise<RelayClient> {
  const token = adminToken ?? (await readAdminToken(state));
  if (token !== undefined) return createRelayClient({ url: http, token });
  throw new PunchcastError(
    "BAD_OPTION",
    `There is no admin token in ${state}: give the relay's with --admin-token, or name its state file with --state.`,
  );
}
