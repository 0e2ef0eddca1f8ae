import { addressFamily, type Endpoint } from "../../../core/address.ts";
import { type Count, countKey, type MappingCounts } from "../mapping.ts";
import type { NatBackend } from "../nat-backend.ts";
import type { RunTool } from "../run-tool.ts";
import { dumpCounters, type NamedCount } from "./counter-dump.ts";
import { forgetCommands, mappingCommands, readCounterName, tableName, tableText } from "./ruleset.ts";

/** An element of `nft -j`: its key's parts, and those of what it maps to. */
interface Element {
  readonly key: readonly (string | number)[];
  readonly data: readonly (string | number)[];
}

interface CounterListing {
  readonly nftables: readonly { readonly counter?: NamedCount }[];
}

const rehearsalName = "punchcast-rehearsal";

/**
 * Drives nft: one table, one transaction a change. Counters, which are read every second, come from `dump`; where it has no
 * answer they come from nft as well.
 */
export function createNftablesBackend(run: RunTool, dump: typeof dumpCounters = dumpCounters): NatBackend {
  const change = async (commands: readonly string[]): Promise<void> => {
    if (commands.length > 0) await run("nft", ["-f", "-"], `${commands.join("\n")}\n`);
  };

  async function isThere(): Promise<boolean> {
    const { nftables } = JSON.parse(await run("nft", ["-j", "list", "tables"]));
    const entries: readonly { readonly table?: { readonly family: string; readonly name: string } }[] = nftables;
    return entries.some(({ table }) => table?.family === "inet" && table.name === tableName);
  }

  async function listCounters(): Promise<readonly NamedCount[]> {
    const listing: CounterListing = JSON.parse(
      await run("nft", ["-j", "list", "counters", "table", "inet", tableName]),
    );
    return listing.nftables.flatMap(({ counter }) => counter ?? []);
  }

  return {
    tool: "nft",

    async readMappings() {
      if (!(await isThere())) return [];
      const sets = readSets(await run("nft", ["-j", "list", "table", "inet", tableName]));
      return [4, 6].flatMap((version) => {
        const punchedOf = new Map(
          sets.get(`punched${version}`)?.map(({ key, data }) => [key.join(" "), endpoint(data)]),
        );
        return (sets.get(`viewers${version}`) ?? []).flatMap(({ key, data }) => {
          const punched = punchedOf.get([...key.slice(0, 2), ...data].join(" "));
          if (punched === undefined) return [];
          return [{ publisher: endpoint(key), ingest: endpoint(key.slice(2)), viewer: endpoint(data), punched }];
        });
      });
    },

    // Adding the table first makes the deletion good whether there is one or not; all of it is one transaction.
    install: (ports, mappings) =>
      change([`add table inet ${tableName}`, `delete table inet ${tableName}`, tableText(ports, mappings)]),

    add: (mappings) => change(mappingCommands("add", mappings)),
    cut: (mappings) => change(mappingCommands("delete", mappings)),

    readCounts: async () => countsOf((await dump(tableName)) ?? (await listCounters())),

    forget: (mappings) => change(forgetCommands(mappings)),

    async remove() {
      if (!(await isThere())) return false;
      await change([`delete table inet ${tableName}`]);
      return true;
    },

    // One transaction that makes a table and takes it away: the kernel checks all of it and nobody ever sees it.
    rehearse: (ports) => change([tableText(ports, [], rehearsalName), `delete table inet ${rehearsalName}`]),

    describe: (ports, mappings) => `nft -f - <<'END'\n${tableText(ports, mappings)}END`,
  };
}

/** Counters by the mapping that they count for. */
function countsOf(counters: readonly NamedCount[]): ReadonlyMap<string, MappingCounts> {
  const counts = new Map<string, MappingCounts>();
  for (const { name, ...count } of counters) {
    const use = readCounterName(name);
    if (use === undefined) continue;
    const payload = payloadOf(count, addressFamily(use.viewer.address) === 6 ? 48 : 28);
    counts.set(countKey(use), { ...(counts.get(countKey(use)) ?? zero), [use.side]: payload });
  }
  return counts;
}

const zero: MappingCounts = { carried: { packets: 0, bytes: 0 }, sent: { packets: 0, bytes: 0 } };

/** Without the IP and UDP headers, which the kernel counts along: 28 bytes with IPv4, 48 with IPv6. */
export function payloadOf({ packets, bytes }: Count, headerBytes: number): Count {
  return { packets, bytes: bytes - packets * headerBytes };
}

function endpoint([address, port]: readonly (string | number)[]): Endpoint {
  return { address: String(address), port: Number(port) };
}

/** The elements of every set and map in the JSON of `nft list table`. */
function readSets(json: string): ReadonlyMap<string, readonly Element[]> {
  const { nftables } = JSON.parse(json);
  const sets = new Map<string, readonly Element[]>();
  for (const { set, map } of nftables) {
    const { name, elem = [] } = set ?? map ?? {};
    if (name !== undefined) sets.set(name, elem.map(readElement));
  }
  return sets;
}

/** nft writes `KEY`, or `[KEY, DATA]` for a map; data is a text in a map of counters. */
function readElement(raw: unknown): Element {
  const [key, data]: readonly [Concat, Concat?] = Array.isArray(raw) ? [raw[0], raw[1]] : [raw as Concat];
  return { key: key.concat ?? [], data: data?.concat ?? [] };
}

interface Concat {
  readonly concat?: readonly (string | number)[];
}
