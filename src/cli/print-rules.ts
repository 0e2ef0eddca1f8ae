import { PunchcastError } from "../core/errors.ts";
import { defaultPunchPort } from "../core/punch-url.ts";
import { chooseTool } from "../data-plane/nat/choose-backend.ts";
import { printableRules } from "../data-plane/nat/print-rules.ts";
import { ingestPortsOf } from "../relay/stream.ts";
import type { RelayOptions } from "../server/relay-options.ts";

/**
 * Prints what the nat plane would do to this host, with the tool that it would take here or, where that is missing, nft.
 * @throws PunchcastError BAD_OPTION if the relay would have another plane
 */
export async function printRules({ plane, streams, punchPort = defaultPunchPort }: RelayOptions): Promise<void> {
  if (plane !== "nat")
    throw new PunchcastError("BAD_OPTION", "--print-rules shows the nat plane's rules: add --plane nat.");
  const tool = await chooseTool(process.env.PUNCHCAST_NAT_TOOL).catch(() => "nft" as const);
  process.stdout.write(printableRules(tool, { punch: punchPort, ingest: streams.flatMap(ingestPortsOf) }));
}
