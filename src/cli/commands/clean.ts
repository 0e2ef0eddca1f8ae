import { Command } from "commander";
import { openJournal } from "../../config/journal-file.ts";
import { openSwitchFile } from "../../config/switch-file.ts";
import { systemClock } from "../../core/clock.ts";
import { cleanNatPlane } from "../../data-plane/nat/clean.ts";
import { createOutput } from "../output.ts";
import { defaultStatePath, journalPath, switchesPath } from "../relay-options.ts";

/** What `punchcast clean` tells. */
type CleanEvent = { readonly event: "cleaned"; readonly removed: readonly string[] };

/** `punchcast clean`. */
export function cleanCommand(): Command {
  return new Command("clean")
    .description(
      "Remove everything that a relay with --plane nat ever left on this host: rules, tracked flows, switches.",
    )
    .option("--state <file>", "the relay's state file, if it was not the default one; it is kept")
    .option("--json", "one JSON object a line")
    .addHelpText("after", "\nExample:\n  sudo punchcast clean\n")
    .action(clean);
}

async function clean({ state = defaultStatePath(), json = false }: { state?: string; json?: boolean }): Promise<void> {
  const output = createOutput<CleanEvent>({
    json,
    render: ({ removed }) =>
      removed.length === 0 ? "There was nothing of Punchcast's on this host." : `Removed: ${removed.join("; ")}.`,
  });
  const removed = await cleanNatPlane(openSwitchFile(switchesPath(state)));
  await openJournal(journalPath(state), systemClock.wallNow).clear();
  output.tell({ event: "cleaned", removed });
  output.end();
}
