import { type Decoded, decoded, malformed } from "../core/result.ts";
import type { Action, Condition, ConditionValue, FirewallChain, FirewallRule, Subject } from "./firewall.ts";

/** The tables of a ruleset, and whether iptables manages one of them, whose rules this listing does not tell in full. */
export interface NftRuleset {
  readonly chains: readonly FirewallChain[];
  readonly hasIptables: boolean;
}

type Json = Readonly<Record<string, unknown>>;
type Sets = ReadonlyMap<string, readonly ConditionValue[]>;

/** Reads what `nft -j list ruleset` prints (libnftables-json(5)). Punchcast's own tables are left out. */
export function parseNftRuleset(text: string): Decoded<NftRuleset, "not-json" | "not-a-ruleset"> {
  let listing: unknown;
  try {
    listing = JSON.parse(text);
  } catch {
    return malformed("not-json");
  }
  const entries = isObject(listing) && Array.isArray(listing.nftables) ? listing.nftables : undefined;
  if (entries === undefined) return malformed("not-a-ruleset");
  const of = (kind: string): Json[] =>
    entries.flatMap((entry) => (isObject(entry) && isObject(entry[kind]) ? [entry[kind]] : []));
  const rules = of("rule").filter(({ comment }) => comment !== "punch");
  const sets: Sets = new Map([...of("set"), ...of("map")].map((set) => [setKey(set, set.name), valuesOf(set.elem)]));
  const chains = of("chain").flatMap((chain): FirewallChain[] => {
    const { family, table, name } = chain;
    if (family !== "ip" && family !== "ip6" && family !== "inet") return [];
    if (typeof table !== "string" || typeof name !== "string" || table.startsWith("punchcast")) return [];
    const own = rules.filter((rule) => rule.family === family && rule.table === table && rule.chain === name);
    return [
      { tool: "nft", family, table, name, base: baseOf(chain), rules: own.flatMap((rule) => parseRule(rule, sets)) },
    ];
  });
  // Its base chains are named like their hooks, in capitals; its own matches are listed as `xt` without what they match.
  const isOfIptables = ({ family, base, name }: FirewallChain): boolean =>
    family !== "inet" && base !== undefined && name === base.hook.toUpperCase();
  const hasOwnMatch = rules.some((rule) => JSON.stringify(rule.expr ?? null).includes('{"xt":'));
  return decoded({ chains, hasIptables: hasOwnMatch || chains.some(isOfIptables) });
}

function baseOf({ type, hook, policy }: Json): FirewallChain["base"] {
  if (typeof hook !== "string" || (type !== "filter" && type !== "nat")) return undefined;
  return { type, hook, policy: policy === "drop" ? "drop" : "accept" };
}

/** One rule, or one for each entry where a verdict map decides. */
function parseRule(rule: Json, sets: Sets): FirewallRule[] {
  const conditions: Condition[] = [];
  const found: FirewallRule[] = [];
  for (const statement of Array.isArray(rule.expr) ? rule.expr : []) {
    if (!isObject(statement)) continue;
    const { match, vmap } = statement;
    if (isObject(match)) conditions.push(...parseMatch(match, rule, sets));
    else if (isObject(vmap)) found.push(...parseVerdictMap(vmap, conditions));
    else if ("xt" in statement || "limit" in statement || "quota" in statement || "meter" in statement) {
      conditions.push(unanswered);
    } else found.push(...actionsOf(statement).map((action) => ({ conditions: [...conditions], action })));
  }
  return found;
}

const unanswered: Condition = { subject: "other", values: [], negated: false };

function parseVerdictMap(vmap: Json, before: readonly Condition[]): FirewallRule[] {
  const keyed = subjectOf(vmap.key);
  // A map with a name of its own changes while we look; its verdicts are left open.
  const entries = isObject(vmap.data) && Array.isArray(vmap.data.set) ? vmap.data.set : [];
  return entries.flatMap((entry): FirewallRule[] => {
    if (!Array.isArray(entry) || !isObject(entry[1])) return [];
    const values = valuesOf(entry[0]);
    const condition = conditionOf(keyed.subject, values, false);
    return actionsOf(entry[1]).map((action) => ({ conditions: [...before, ...keyed.implied, condition], action }));
  });
}

function actionsOf(statement: Json): Action[] {
  for (const kind of ["accept", "drop", "return"] as const) if (kind in statement) return [{ kind }];
  if ("reject" in statement) return [{ kind: "drop" }];
  if ("dnat" in statement || "redirect" in statement) return [{ kind: "translate" }];
  for (const kind of ["jump", "goto"] as const) {
    const call = statement[kind];
    if (isObject(call) && typeof call.target === "string") return [{ kind, chain: call.target }];
  }
  return [];
}

function parseMatch({ op, left, right }: Json, rule: Json, sets: Sets): Condition[] {
  const { subject, implied } = subjectOf(left);
  const named = typeof right === "string" && right.startsWith("@") ? sets.get(setKey(rule, right.slice(1))) : undefined;
  const values = named ?? valuesOf(right);
  const [bound] = values;
  const top = 65_535;
  if (typeof bound === "number" && (op === "<" || op === "<=" || op === ">" || op === ">=")) {
    const runs = { "<": [0, bound - 1], "<=": [0, bound], ">": [bound + 1, top], ">=": [bound, top] } as const;
    return [...implied, { subject, values: [runs[op]], negated: false }];
  }
  if (op !== "==" && op !== "in" && op !== "!=") return [...implied, unanswered];
  return [...implied, conditionOf(subject, values, op === "!=")];
}

function conditionOf(subject: Subject, values: readonly ConditionValue[], negated: boolean): Condition {
  const isAnotherInterface = subject === "interface" && !values.every((value) => value === "lo");
  return isAnotherInterface || values.length === 0 ? unanswered : { subject, values, negated };
}

/** What an expression looks at, and what it implies about the packet. */
function subjectOf(expression: unknown): { readonly subject: Subject; readonly implied: readonly Condition[] } {
  const { payload, meta, ct, fib } = isObject(expression) ? expression : {};
  if (isObject(payload)) {
    const { protocol, field } = payload;
    if (protocol === "ip" || protocol === "ip6") {
      const isProtocol = field === "protocol" || field === "nexthdr";
      const family: Condition = { subject: "family", values: [protocol === "ip" ? "ipv4" : "ipv6"], negated: false };
      return { subject: isProtocol ? "protocol" : "other", implied: [family] };
    }
    const over: Condition = { subject: "protocol", values: [String(protocol)], negated: false };
    return { subject: field === "dport" ? "port" : "other", implied: protocol === "th" ? [] : [over] };
  }
  const subject = (): Subject => {
    if (isObject(meta)) return metaSubjects[String(meta.key)] ?? "other";
    if (isObject(ct)) return ctSubjects[`${ct.dir ?? ""} ${ct.key}`.trim()] ?? "other";
    const isDestinationType = isObject(fib) && fib.result === "type" && String(fib.flags) === "daddr";
    return isDestinationType ? "destinationType" : "other";
  };
  return { subject: subject(), implied: [] };
}

const metaSubjects: Readonly<Record<string, Subject>> = {
  l4proto: "protocol",
  nfproto: "family",
  iifname: "interface",
  iif: "interface",
};

const ctSubjects: Readonly<Record<string, Subject>> = {
  state: "state",
  status: "status",
  "original proto-dst": "originalPort",
};

/** The plain values of a right-hand side; none if it holds anything else. */
function valuesOf(right: unknown): readonly ConditionValue[] {
  if (typeof right === "number" || (typeof right === "string" && !right.startsWith("@"))) return [right];
  if (Array.isArray(right)) {
    const all = right.map(valuesOf);
    return all.some((values) => values.length === 0) ? [] : all.flat();
  }
  if (!isObject(right)) return [];
  if ("set" in right) return valuesOf(right.set);
  if (isObject(right.elem)) return valuesOf(right.elem.val);
  if (!Array.isArray(right.range)) return [];
  const [first, last] = right.range;
  return typeof first === "number" && typeof last === "number" ? [[first, last]] : [];
}

function setKey({ family, table }: Json, name: unknown): string {
  return `${family} ${table} ${name}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
