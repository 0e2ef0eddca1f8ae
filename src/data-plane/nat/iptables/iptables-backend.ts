import type { PlanePorts } from "../../data-plane.ts";
import { type Count, countKey, familyOf, type Mapping, type MappingCounts } from "../mapping.ts";
import type { NatBackend, NatTool } from "../nat-backend.ts";
import { payloadOf } from "../nftables/nftables-backend.ts";
import type { RunTool } from "../run-tool.ts";
import {
  chainName,
  countRules,
  mappingRules,
  type RuleSet,
  readEnds,
  readPunchRules,
  readSavedMappings,
  type SavedRule,
  staticRules,
  type Table,
  tables,
} from "./rules.ts";

/** Commands of `iptables-restore`, by table. */
type Commands = Readonly<Record<Table, readonly string[]>>;

/** Someone else may hold the lock while a long ruleset loads; five seconds is longer than any takes. */
const lockArgs = ["-w", "5"] as const;

/** Drives iptables, of whichever kind, for the given IP versions: the seed's rules, found again by their comment. */
export function createIptablesBackend(
  run: RunTool,
  tool: Exclude<NatTool, "nft">,
  families: readonly (4 | 6)[],
): NatBackend {
  let ports: PlanePorts = { punch: 0, ingest: [] };
  const name = (family: 4 | 6): string => (family === 6 ? tool.replace("ip", "ip6") : tool);

  async function saved(family: 4 | 6): Promise<SavedRule[]> {
    return readPunchRules(await run(`${name(family)}-save`, ["-c"]));
  }

  /** One restore, in which each block of one table is one step; the blocks are in the order given. */
  async function restore(family: 4 | 6, blocks: readonly (readonly [Table, readonly string[]])[]): Promise<void> {
    const lines = blocks.flatMap(([table, commands]) =>
      commands.length === 0 ? [] : [`*${table}`, ...commands, "COMMIT"],
    );
    if (lines.length > 0) await run(`${name(family)}-restore`, ["--noflush", ...lockArgs], `${lines.join("\n")}\n`);
  }

  function installCommands(old: readonly SavedRule[], mappings: readonly Mapping[]): Commands {
    const deletions = commands(old, (rule) => (rule.startsWith(`${chainName} `) ? [] : [`-D ${rule}`]));
    const fixed = staticRules(ports);
    const sets = mappings.flatMap((mapping) => [mappingRules(mapping, ports), countRules(mapping)]);
    const additions = (table: Table): string[] => [
      // In our chain the exceptions stand before what they are exceptions of.
      ...fixed[table].map((rule) => (rule.startsWith(`${chainName} `) ? `-A ${rule}` : `-I ${rule}`)),
      ...sets.flatMap((set) => set[table]).map((rule) => `-I ${rule}`),
    ];
    return {
      raw: [...deletions.raw, `:${chainName} - [0:0]`, ...additions("raw")],
      mangle: [...deletions.mangle, ...additions("mangle")],
      nat: [...deletions.nat, ...additions("nat")],
    };
  }

  const each = (work: (family: 4 | 6) => Promise<void>): Promise<unknown> => Promise.all(families.map(work));
  const inFamily = (family: 4 | 6, mappings: readonly Mapping[]): Mapping[] =>
    mappings.filter((mapping) => familyOf(mapping) === family);

  return {
    tool,

    async readMappings() {
      return (await Promise.all(families.map(saved))).flatMap(readSavedMappings);
    },

    async install(newPorts, mappings) {
      ports = newPorts;
      await each(async (family) => {
        const { raw, mangle, nat } = installCommands(await saved(family), inFamily(family, mappings));
        await restore(family, [
          ["mangle", mangle],
          ["nat", nat],
          ["raw", raw],
        ]);
      });
    },

    // What is tracked without a translation waiting for it would stay without: the raw table opens last and closes first.
    async add(mappings) {
      await each((family) => {
        const sets = inFamily(family, mappings).flatMap((m) => [mappingRules(m, ports), countRules(m)]);
        const inserts = (table: Table): [Table, string[]] => [table, rulesOf(sets, table).map((rule) => `-I ${rule}`)];
        return restore(family, [inserts("mangle"), inserts("nat"), inserts("raw")]);
      });
    },

    async cut(mappings) {
      await each((family) => {
        const sets = inFamily(family, mappings).map((mapping) => mappingRules(mapping, ports));
        const deletes = (table: Table): [Table, string[]] => [table, rulesOf(sets, table).map((rule) => `-D ${rule}`)];
        return restore(family, [deletes("raw"), deletes("nat"), deletes("mangle")]);
      });
    },

    async readCounts() {
      const counts = new Map<string, MappingCounts>();
      await each(async (family) => {
        const none: Count = { packets: 0, bytes: 0 };
        const rules = readPunchRules(await run(`${name(family)}-save`, ["-c", "-t", "mangle"]));
        for (const { rule, ...count } of rules) {
          const ends = readEnds(rule);
          if (ends === undefined || rule.includes(" -j ")) continue;
          const key = countKey({ publisher: ends.from, viewer: ends.to });
          const field = rule.startsWith("FORWARD ") ? "carried" : "sent";
          const payload = payloadOf(count, family === 6 ? 48 : 28);
          counts.set(key, { carried: none, sent: none, ...counts.get(key), [field]: payload });
        }
      });
      return counts;
    },

    async forget(mappings) {
      await each((family) => {
        const rules = inFamily(family, mappings).flatMap((mapping) => countRules(mapping).mangle);
        return restore(family, [["mangle", rules.map((rule) => `-D ${rule}`)]]);
      });
    },

    async remove() {
      let wasThere = false;
      await each(async (family) => {
        const text = await run(`${name(family)}-save`, ["-c"]);
        const old = readPunchRules(text);
        const hasChain = text.includes(`\n:${chainName} `);
        wasThere ||= old.length > 0 || hasChain;
        const { raw, mangle, nat } = commands(old, (rule) => [`-D ${rule}`]);
        const chain = hasChain ? [`-F ${chainName}`, `-X ${chainName}`] : [];
        await restore(family, [
          ["raw", [...raw, ...chain]],
          ["mangle", mangle],
          ["nat", nat],
        ]);
      });
      return wasThere;
    },

    async rehearse(newPorts) {
      await each(async (family) => {
        const sample = (host: number): Mapping["viewer"] => {
          return { address: family === 6 ? `2001:db8::${host}` : `192.0.2.${host}`, port: 9 };
        };
        const mapping = { publisher: sample(1), ingest: sample(2), viewer: sample(3), punched: sample(4) };
        ports = newPorts;
        const all = installCommands(await saved(family), [mapping]);
        const lines = tables.flatMap((table) => [`*${table}`, ...all[table], "COMMIT"]);
        await run(`${name(family)}-restore`, ["--noflush", "--test", ...lockArgs], `${lines.join("\n")}\n`);
      });
    },

    describe(newPorts, mappings) {
      ports = newPorts;
      return families
        .flatMap((family) => {
          const all = installCommands([], inFamily(family, mappings));
          return tables.flatMap((table) =>
            all[table].map((command) => {
              return `${name(family)} -t ${table} ${command.startsWith(":") ? `-N ${chainName}` : command}`;
            }),
          );
        })
        .join("\n");
    },
  };
}

function rulesOf(sets: readonly RuleSet[], table: Table): string[] {
  return sets.flatMap((set) => set[table]);
}

/** Commands made of saved rules, by table. */
function commands(rules: readonly SavedRule[], make: (rule: string) => readonly string[]): Commands {
  const of = (table: Table): string[] =>
    rules.filter((saved) => saved.table === table).flatMap(({ rule }) => make(rule));
  return { raw: of("raw"), mangle: of("mangle"), nat: of("nat") };
}
