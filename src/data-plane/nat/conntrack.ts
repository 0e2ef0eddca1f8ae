import { addressFamily, type Endpoint } from "../../core/address.ts";
import { PunchcastError } from "../../core/errors.ts";
import type { Mapping } from "./mapping.ts";
import type { RunTool } from "./run-tool.ts";

/** A tracked connection's first packet: where it came from and where it went to, before any translation. */
export interface Original {
  readonly from: Endpoint;
  /** Default: any. */
  readonly to?: Endpoint;
}

/**
 * The entries that keep a new mapping from taking hold: the NAT chains are asked for a connection's first packet only, so
 * one that is tracked already goes on as before; and one that the viewer's packets made, or the relay's to the viewer, has
 * the addresses that the stream's answers would have, and two may not have the same.
 */
export function inTheWayOf({ publisher, ingest, viewer, punched }: Mapping): Original[] {
  return [
    { from: publisher, to: ingest },
    { from: viewer, to: punched },
    { from: punched, to: viewer },
  ];
}

/**
 * What the relay itself sent first from its punch port, to anybody: while the rules go, its answer to a request of just
 * before can be tracked.
 */
export function ownFirst(punchPort: number, localAddresses: readonly string[]): Original[] {
  return localAddresses.map((address) => ({ from: { address, port: punchPort } }));
}

/** The entry that carries a mapping's packets on, in both directions, when the mapping itself is gone. */
export function carrierOf({ publisher, ingest }: Mapping): Original {
  return { from: publisher, to: ingest };
}

/** Processes at a time: a relay that stops with a hundred holes shall not start a hundred at once. */
const atOnce = 8;

/**
 * Deletes exactly the UDP entries that began so; that there is none is no error.
 * @throws PunchcastError TOOL_MISSING, NO_PRIVILEGE or TOOL_FAILED
 */
export async function deleteTracked(run: RunTool, originals: readonly Original[]): Promise<void> {
  const queue = [...new Map(originals.map((original) => [argumentsOf(original).join(" "), original])).values()];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await deleteOne(run, next);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, queue.length) }, work));
}

async function deleteOne(run: RunTool, original: Original): Promise<void> {
  try {
    await run("conntrack", argumentsOf(original));
  } catch (error) {
    // With nothing to delete it says so and fails.
    if (!(error instanceof PunchcastError) || !error.message.includes(" 0 flow entries")) throw error;
  }
}

function argumentsOf({ from, to }: Original): string[] {
  const family = addressFamily(from.address) === 6 ? "ipv6" : "ipv4";
  const source = ["-s", from.address, "--sport", String(from.port)];
  const destination = to === undefined ? [] : ["-d", to.address, "--dport", String(to.port)];
  return ["-D", "-f", family, "-p", "udp", ...source, ...destination];
}
