import type { Endpoint } from "../../../core/address.ts";
import { type Count, countKey, type MappingCounts } from "../mapping.ts";
import type { NatBackend } from "../nat-backend.ts";
import type { RunTool } from "../run-tool.ts";
import { forgetCommands, mappingCommands, tableName, tableText } from "./ruleset.ts";

/** An element of `nft -j`: its key's parts, what it maps to, and its counter. */
interface Element {
  readonly key: readonly (string | number)[];
  readonly data: readonly (string | number)[];
  readonly counter: Count;
}

const rehearsalName = "punchcast-rehearsal";

/** Drives nft: one table, one transaction a change. */
export function createNftablesBackend(run: RunTool): NatBackend {
  const change = async (commands: readonly string[]): Promise<void> => {
    if (commands.length > 0) await run("nft", ["-f", "-"], `${commands.join("\n")}\n`);
  };

  async function isThere(): Promise<boolean> {
    const { nftables } = JSON.parse(await run("nft", ["-j", "list", "tables"]));
    const entries: readonly { readonly table?: { readonly family: string; readonly name: string } }[] = nftables;
    return entries.some(({ table }) => table?.family === "inet" && table.name === tableName);
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

    async readCounts() {
      const sets = readSets(await run("nft", ["-j", "list", "table", "inet", tableName]));
      const counts = new Map<string, MappingCounts>();
      for (const version of [4, 6]) {
        const sent = new Map(sets.get(`sent${version}`)?.map(({ key, counter }) => [key.join(" "), counter]));
        for (const { key, counter } of sets.get(`carried${version}`) ?? []) {
          const ends = { publisher: endpoint(key), viewer: endpoint(key.slice(2)) };
          const payload = (count: Count): Count => payloadOf(count, version === 6 ? 48 : 28);
          const sentCount = sent.get(key.join(" ")) ?? { packets: 0, bytes: 0 };
          counts.set(countKey(ends), { carried: payload(counter), sent: payload(sentCount) });
        }
      }
      return counts;
    },

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

/** nft writes `KEY`, `[KEY, DATA]` for a map, and wraps a key that has a counter into `{elem: {val, counter}}`. */
function readElement(raw: unknown): Element {
  const [key, data]: readonly [Wrapped, Concat?] = Array.isArray(raw) ? [raw[0], raw[1]] : [raw as Wrapped];
  return {
    key: (key.elem?.val ?? key).concat ?? [],
    data: data?.concat ?? [],
    counter: key.elem?.counter ?? { packets: 0, bytes: 0 },
  };
}

interface Concat {
  readonly concat?: readonly (string | number)[];
}

interface Wrapped extends Concat {
  readonly elem?: { readonly val: Concat; readonly counter?: Count };
}
