import { readFile } from "node:fs/promises";
import type { PlanePorts } from "../data-plane.ts";
import { readHostNetwork } from "./host-network.ts";
import type { NatTool } from "./nat-backend.ts";
import { tableName } from "./nftables/ruleset.ts";
import { isInstalled, type RunTool } from "./run-tool.ts";
import { readSwitch } from "./switches.ts";

/** What on this host would keep the kernel from forwarding. */
export type ObstacleKind = "forward-policy" | "foreign-nat" | "reverse-path-filter" | "router-advertisements";

/** One of them. Punchcast changes none of it. */
export interface Obstacle {
  readonly kind: ObstacleKind;
  /** One sentence that names it and the remedy. */
  readonly sentence: string;
}

/** Looks for what others have set up that drops or diverts what the nat plane forwards. Reads only. */
export async function findObstacles(ports: PlanePorts, tool: NatTool, run: RunTool): Promise<Obstacle[]> {
  const found = await Promise.all([
    nftablesObstacles(ports, run),
    iptablesObstacles(ports, tool, run),
    networkObstacles(),
  ]);
  // iptables-nft's rules are seen by both tools.
  return [...new Map(found.flat().map((obstacle) => [obstacle.sentence, obstacle])).values()];
}

interface NftEntry {
  readonly chain?: NftPlace & { readonly name: string; readonly hook?: string; readonly policy?: string };
  readonly rule?: NftPlace & { readonly chain: string; readonly expr: readonly NftStatement[] };
}
interface NftPlace {
  readonly family: string;
  readonly table: string;
}
type NftStatement = Readonly<Record<string, unknown>>;

async function nftablesObstacles(ports: PlanePorts, run: RunTool): Promise<Obstacle[]> {
  if (!(await isInstalled("nft"))) return [];
  const listing: { readonly nftables: readonly NftEntry[] } = JSON.parse(await run("nft", ["-j", "list", "ruleset"]));
  const rules = listing.nftables.flatMap(({ rule }) => (rule && rule.table !== tableName ? [rule] : []));
  const chains = listing.nftables.flatMap(({ chain }) => (chain ? [chain] : []));
  const dropping = chains.filter(({ hook, policy }) => hook === "forward" && policy === "drop");
  const policies = dropping.flatMap(({ family, table, name }): Obstacle[] => {
    const inTable = rules.filter((rule) => rule.family === family && rule.table === table);
    if (inTable.some(({ expr }) => letsTranslatedPass(JSON.stringify(expr)))) return [];
    // The tables that iptables-nft makes are told, with iptables' own remedy, by the other look.
    if (["ip", "ip6"].includes(family) && name === "FORWARD") return [forwardPolicy(family === "ip6", chains, ports)];
    const remedy =
      `sudo nft insert rule ${family} ${table} ${name} ` +
      `meta l4proto udp ct status dnat ct original proto-dst { ${[ports.punch, ...ports.ingest].join(", ")} } accept`;
    return [obstacle("forward-policy", `The chain ${name} of ${family} ${table} drops what it forwards: ${remedy}`)];
  });
  const all = new Set([ports.punch, ...ports.ingest]);
  const nats = rules.flatMap(({ family, table, chain, expr }) => {
    const diverts = expr.some((part) => "dnat" in part || "redirect" in part);
    const port = diverts ? expr.map((part) => matchedPort(part, all)).find((match) => match !== undefined) : undefined;
    return port === undefined ? [] : [foreignNat(port, `the chain ${chain} of ${family} ${table}`)];
  });
  return [...policies, ...nats];
}

/** The first of `ports` that a statement `udp dport …` lets pass. */
function matchedPort(statement: NftStatement, ports: ReadonlySet<number>): number | undefined {
  const text = JSON.stringify(statement.match ?? "");
  if (!text.includes('"dport"') || text.includes('"tcp"')) return undefined;
  const ranges = Array.from(text.matchAll(/"range":\[(\d+),(\d+)\]/g), ([, a, b]) => [Number(a), Number(b)] as const);
  const values = Array.from(text.replaceAll(/"range":\[[^\]]*\]/g, "").matchAll(/\b\d+\b/g), ([value]) =>
    Number(value),
  );
  return [...ports].find((p) => values.includes(p) || ranges.some(([a, b]) => p >= a && p <= b));
}

async function iptablesObstacles(ports: PlanePorts, tool: NatTool, run: RunTool): Promise<Obstacle[]> {
  const found: Obstacle[] = [];
  for (const ipv6 of [false, true]) {
    const name = ipv6 ? "ip6" : "ip";
    // Asking iptables-legacy for a table makes it: ask only where there is one.
    const legacy = (await readFile(`/proc/net/${name}_tables_names`, "utf8").catch(() => "")).trim() !== "";
    const tools = [`${name}tables-nft`, ...(legacy ? [`${name}tables-legacy`] : [])];
    for (const variant of tools) {
      if (!(await isInstalled(`${variant}-save`))) continue;
      const saved = await run(`${variant}-save`, []).catch(() => "");
      if (/^:FORWARD DROP/m.test(saved) && !saved.split("\n").some(letsTranslatedPass)) {
        found.push(
          forwardPolicy(
            ipv6,
            Array.from(saved.matchAll(/^:(\S+)/gm), ([, chain = ""]) => ({ name: chain })),
            ports,
          ),
        );
      }
      for (const line of saved.split("\n")) {
        const [, first = "", last = first] = / --dport (\d+)(?::(\d+))? /.exec(line) ?? [];
        if (!/ -j (DNAT|REDIRECT) /.test(line) || !line.includes("-p udp") || first === "") continue;
        const isPunch = / --comment ("punch"|punch) /.test(line);
        if (isPunch && tool !== "nft") continue;
        const port = [ports.punch, ...ports.ingest].find((p) => p >= Number(first) && p <= Number(last));
        if (port === undefined) continue;
        const chain = line.split(" ")[1] ?? "";
        if (isPunch)
          found.push(
            obstacle(
              "foreign-nat",
              `${variant} has rules marked punch for UDP port ${port}, from an earlier relay or made by hand: stop the relay and run punchcast clean.`,
            ),
          );
        else found.push(foreignNat(port, `the chain ${chain} of ${variant}`));
      }
    }
  }
  return found;
}

/** True for a rule, in either tool's writing, that accepts what was translated. */
function letsTranslatedPass(rule: string): boolean {
  const byNft = rule.includes('"status"') && rule.includes('"dnat"') && rule.includes('"accept"');
  const byIptables = /--ctstate \S*DNAT/.test(rule) || (rule.includes("--ctorigdstport") && rule.includes("-j ACCEPT"));
  return byNft || byIptables;
}

function forwardPolicy(ipv6: boolean, chains: readonly { readonly name: string }[], ports: PlanePorts): Obstacle {
  const has = (start: string): boolean => chains.some(({ name }) => name.startsWith(start));
  const who = has("DOCKER") ? "Docker" : has("ufw") ? "ufw" : "Some firewall";
  const chain = has("DOCKER-USER") ? "DOCKER-USER" : "FORWARD";
  const command = `sudo ${ipv6 ? "ip6tables" : "iptables"} -I ${chain} -p udp -m conntrack --ctstate DNAT`;
  const remedies = [[ports.punch], ports.ingest]
    .filter((range) => range.length > 0)
    .map((range) => `${command} --ctorigdstport ${Math.min(...range)}:${Math.max(...range)} -j ACCEPT`);
  return obstacle(
    "forward-policy",
    `${who} set the policy of ${ipv6 ? "IPv6's" : "IPv4's"} FORWARD chain to DROP, so nothing is forwarded: ${remedies.join("; ")}`,
  );
}

function foreignNat(port: number, where: string): Obstacle {
  return obstacle(
    "foreign-nat",
    `Another rule translates UDP port ${port}, in ${where}: remove it, or give the relay other ports.`,
  );
}

async function networkObstacles(): Promise<Obstacle[]> {
  const { interfaces, advertised } = await readHostNetwork();
  const found = advertised.map((name) =>
    obstacle(
      "router-advertisements",
      `${name} has its IPv6 route from router advertisements, which a forwarding host ignores, so IPv6 stays in user space: ` +
        `sudo sysctl -w net.ipv6.conf.${name}.accept_ra=2, then start again.`,
    ),
  );
  if (interfaces.length < 2) return found;
  const filter = async (name: string): Promise<number> =>
    Number((await readSwitch(`net/ipv4/conf/${name}/rp_filter`)) ?? 0);
  const all = await filter("all");
  for (const name of interfaces) {
    // The kernel takes the larger of the two; 1 is strict.
    if (Math.max(all, await filter(name)) !== 1) continue;
    found.push(
      obstacle(
        "reverse-path-filter",
        `${name} drops packets whose sender would be answered through another interface (rp_filter=1): if senders or viewers ` +
          `come in there, sudo sysctl -w net.ipv4.conf.${name}.rp_filter=2`,
      ),
    );
  }
  return found;
}

function obstacle(kind: ObstacleKind, sentence: string): Obstacle {
  return { kind, sentence };
}
