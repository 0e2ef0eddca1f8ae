import { addressFamily, type Endpoint } from "../../core/address.ts";
import type { Mapping } from "./mapping.ts";
import type { RunTool } from "./run-tool.ts";

/** A tracked connection's first packet: where it came from and where it went to, before any translation. */
export interface Original {
  readonly from: Endpoint;
  readonly to: Endpoint;
}

/**
 * The entries that keep a new mapping from taking hold: the NAT chains are asked for a connection's first packet only, so
 * one that is tracked already goes on as before; and one that the viewer's packets made has the addresses that the
 * stream's answers would have, and two may not have the same.
 */
export function inTheWayOf({ publisher, ingest, viewer, punched }: Mapping): Original[] {
  return [
    { from: publisher, to: ingest },
    { from: viewer, to: punched },
  ];
}

/** The entry that carries a mapping's packets on, in both directions, when the mapping itself is gone. */
export function carrierOf({ publisher, ingest }: Mapping): Original {
  return { from: publisher, to: ingest };
}

/**
 * Deletes exactly the UDP entries that began so; that there is none is no error. One process for all of them.
 * @throws PunchcastError TOOL_MISSING, NO_PRIVILEGE or TOOL_FAILED
 */
export async function deleteTracked(run: RunTool, originals: readonly Original[]): Promise<void> {
  const lines = new Set(
    originals.map(({ from, to }) => {
      const family = addressFamily(to.address) === 6 ? "ipv6" : "ipv4";
      return `-D -f ${family} -p udp -s ${from.address} -d ${to.address} --sport ${from.port} --dport ${to.port}`;
    }),
  );
  if (lines.size === 0) return;
  await run("conntrack", ["-R", "-"], `${[...lines].join("\n")}\n`);
}
