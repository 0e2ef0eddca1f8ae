import { readFile } from "node:fs/promises";
import { decoded, malformed } from "../core/result.ts";
import { isInstalled } from "../data-plane/nat/run-tool.ts";
import type { Fact } from "./facts.ts";
import type { FirewallChain } from "./firewall.ts";
import { parseIptablesSave } from "./iptables-rules.ts";
import { type NftRuleset, parseNftRuleset } from "./nft-ruleset.ts";
import { attempt, capture } from "./run-command.ts";

/** The tables that iptables keeps in nf_tables, by the names that they have there. */
const iptablesTables: ReadonlySet<string> = new Set(["filter", "nat", "mangle", "raw", "security"]);

/**
 * The chains of nf_tables and of iptables, whichever is there. Lists only; old iptables is asked only where it is in use
 * already, because asking would load its modules.
 */
export async function readFirewall(): Promise<Fact<readonly FirewallChain[]>> {
  const native = (await isInstalled("nft")) ? await readNft() : undefined;
  if (native?.ok === false) return native;
  const modern = native === undefined || native.value.hasIptables ? await readIptables("nft") : decoded([]);
  const legacy = await readIptables("legacy");
  if (native === undefined && !modern.ok && !legacy.ok) return modern;
  const translated = modern.ok ? modern.value : [];
  const isTranslated = ({ family, table }: FirewallChain): boolean =>
    translated.some((chain) => chain.family === family && chain.table === table) && iptablesTables.has(table);
  const own = (native?.value.chains ?? []).filter((chain) => !isTranslated(chain));
  return decoded([...own, ...translated, ...(legacy.ok ? legacy.value : [])]);
}

async function readNft(): Promise<Fact<NftRuleset>> {
  return readListing(await capture("nft", ["-j", "list", "ruleset"]));
}

function readListing(listing: Fact<string>): Fact<NftRuleset> {
  if (!listing.ok) return listing;
  // Some versions print nothing at all for an empty ruleset.
  if (listing.value.trim() === "") return decoded({ chains: [], hasIptables: false });
  const parsed = parseNftRuleset(listing.value);
  return parsed.ok ? parsed : malformed(`nft's listing could not be read (${parsed.reason})`);
}

async function readIptables(variant: "nft" | "legacy"): Promise<Fact<readonly FirewallChain[]>> {
  const chains: FirewallChain[] = [];
  // A rule that is put in with the other variant would be let pass, and dropped by this one all the same.
  const version = await capture("iptables", ["-V"]);
  const isDefault = version.ok && version.value.includes("nf_tables") === (variant === "nft");
  for (const family of ["ip", "ip6"] as const) {
    if (variant === "legacy" && !(await usesLegacy(family))) continue;
    const saved = await save(family, variant);
    if (!saved.ok) return saved;
    chains.push(...parseIptablesSave(saved.value, family, isDefault ? "iptables" : `iptables-${variant}`));
  }
  return decoded(chains);
}

async function save(family: "ip" | "ip6", variant: "nft" | "legacy"): Promise<Fact<string>> {
  const exact = `${family}tables-${variant}-save`;
  return capture((await isInstalled(exact)) ? exact : `${family}tables-save`, []);
}

/** The kernel lists the tables that old iptables has made; reading it needs root. */
async function usesLegacy(family: "ip" | "ip6"): Promise<boolean> {
  const names = await attempt(() => readFile(`/proc/net/${family}_tables_names`, "utf8"));
  return names.ok && names.value.trim() !== "";
}
