import { Command, CommanderError } from "commander";
import { exitCodes } from "../core/errors.ts";
import { cleanCommand } from "./commands/clean.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { keyCommand } from "./commands/key.ts";
import { labCommand } from "./commands/lab.ts";
import { relayCommand } from "./commands/relay.ts";
import { sendCommand } from "./commands/send.ts";
import { statusCommand } from "./commands/status.ts";
import { watchCommand } from "./commands/watch.ts";
import { reportFailure } from "./output.ts";
import { readVersion } from "./version.ts";

/** Runs the command line `argv` (without node and script) and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  // Whoever reads our output may stop reading (`| head -1`): then there is nobody left to tell anything.
  process.stdout.on("error", () => process.exit(exitCodes.ok));
  try {
    await createProgram().parseAsync(argv, { from: "user" });
  } catch (error) {
    process.exitCode = exitCodeFor(error, argv.includes("--json"));
  }
}

function createProgram(): Command {
  const program = new Command("punchcast")
    .description("Watch a live RTP/UDP stream through two NATs: a relay that viewers punch holes to.")
    .version(readVersion())
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 defect, 2 wrong usage, 3 the host lacks something, 4 the other side refused.\n",
    );
  const commands = [
    relayCommand(),
    watchCommand(),
    sendCommand(),
    statusCommand(),
    keyCommand(),
    doctorCommand(),
    labCommand(),
    demoCommand(),
    cleanCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands])
    command.exitOverride().showHelpAfterError("(add --help for the options)");
  return program;
}

function exitCodeFor(error: unknown, json: boolean): number {
  // The parser has said already what is wrong; help and version end this way too, with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  return reportFailure(error, json);
}
