import { Command, Option } from "commander";
import { PunchcastError } from "../../core/errors.ts";
import type { ApiKeys, KeyRotation, MintedKey, MintRequest } from "../../http/api/shapes.ts";
import { type ApiFlags, addApiFlags, openApi } from "../api-flags.ts";
import { integer } from "../option-parsers.ts";
import { createOutput } from "../output.ts";

/** What `punchcast key` tells. */
export type KeyEvent =
  | ({ readonly event: "keys"; readonly stream: string } & ApiKeys)
  | ({ readonly event: "minted"; readonly stream: string } & MintedKey);

interface KeyFlags extends ApiFlags {
  readonly rotate?: NonNullable<KeyRotation["which"]>;
  readonly mint?: MintRequest["role"];
  readonly lifetime?: number;
}

/** As the API has it: a year. */
const lifetimeSecondsMax = 31_536_000;

/** `punchcast key`. */
export function keyCommand(): Command {
  const command = new Command("key")
    .description("Show the keys of a running relay's stream, make new ones, or mint one that is good for a while.")
    .argument("<stream>", "name of the stream");
  return addApiFlags(command)
    .addOption(
      new Option("--rotate <which>", "make new ones; who has an old one is out within 30 s").choices([
        "view",
        "publish",
        "both",
      ]),
    )
    .addOption(new Option("--mint <role>", "mint a time-limited one").choices(["view", "publish"]))
    .option("--lifetime <seconds>", "how long that one is good (default: 3600)", integer(1, lifetimeSecondsMax))
    .addHelpText("after", "\nExample:\n  punchcast key live --mint view --lifetime 86400\n")
    .action(runKey);
}

async function runKey(stream: string, flags: KeyFlags): Promise<void> {
  const { rotate, mint: role, lifetime: lifetimeSeconds } = flags;
  if (rotate !== undefined && role !== undefined) {
    throw new PunchcastError("BAD_OPTION", "--rotate and --mint are two things: do one after the other.");
  }
  if (lifetimeSeconds !== undefined && role === undefined) {
    throw new PunchcastError("BAD_OPTION", "--lifetime is that of a minted key: add --mint view or --mint publish.");
  }
  const client = await openApi(flags);
  const output = createOutput<KeyEvent>({ json: flags.json ?? false, render });
  if (role !== undefined) {
    output.tell({ event: "minted", stream, ...(await client.mintKey(stream, { role, lifetimeSeconds })) });
  } else {
    const keys = await (rotate === undefined ? client.readKeys(stream) : client.rotateKeys(stream, rotate));
    output.tell({ event: "keys", stream, ...keys });
  }
}

function render(event: KeyEvent): string {
  if (event.event === "keys") {
    const page = event.browserUrl === undefined ? "" : `\nbrowser  ${event.browserUrl}`;
    return `watch    ${event.watchUrl}\npublish  ${event.publishUrl}${page}`;
  }
  const page = event.browserUrl === undefined ? "" : `${event.browserUrl}\n`;
  return `${event.url}\n${page}good until ${new Date(event.expires * 1000).toISOString()}`;
}
