/** The `punchcast` command from the sources, so that a test needs no build. */
import { main } from "../../src/cli/main.ts";

await main(process.argv.slice(2));
