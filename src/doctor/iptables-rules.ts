import type { Action, Condition, ConditionValue, FirewallChain, FirewallRule, Subject } from "./firewall.ts";

/** Tables whose base chains bear the name of their hook (iptables(8)). */
const builtInChains: ReadonlySet<string> = new Set(["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]);

/** The options that a made-up packet can answer. */
const subjects: Readonly<Record<string, Subject>> = {
  "-p": "protocol",
  "-i": "interface",
  "--dport": "port",
  "--dports": "port",
  "--ctorigdstport": "originalPort",
  "--ctstate": "state",
  "--state": "state",
  "--ctstatus": "status",
  "--dst-type": "destinationType",
};

const actions: Readonly<Record<string, Action["kind"]>> = {
  ACCEPT: "accept",
  DROP: "drop",
  REJECT: "drop",
  RETURN: "return",
  DNAT: "translate",
  REDIRECT: "translate",
};

/**
 * Reads what `iptables-save` or `ip6tables-save` prints. `tool`: what changes these rules here.
 * Rules that bear Punchcast's comment are left out.
 */
export function parseIptablesSave(
  text: string,
  family: "ip" | "ip6",
  tool: FirewallChain["tool"] = "iptables",
): FirewallChain[] {
  const chains = new Map<string, { policy: string; rules: string[][] }>();
  let table = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const [, name, policy = "-"] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined) chains.set(`${table} ${name}`, { policy, rules: [] });
    const [flag, chain, ...words] = splitWords(line);
    if (flag === "-A") chains.get(`${table} ${chain}`)?.rules.push(words);
  }
  return [...chains].map(([key, { policy, rules }]) => {
    const [of = "", name = ""] = key.split(" ");
    const base = {
      type: of === "nat" ? "nat" : "filter",
      hook: name.toLowerCase(),
      policy: policy === "DROP" ? "drop" : "accept",
    } as const;
    return {
      tool,
      family,
      table: of,
      name,
      base: builtInChains.has(name) ? base : undefined,
      rules: rules.flatMap((words) => parseRule(words, (target) => chains.has(`${of} ${target}`)) ?? []),
    };
  });
}

/** Words as a shell would take them; iptables-save quotes with `"` only. */
function splitWords(line: string): string[] {
  return Array.from(line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? "");
}

function parseRule(words: readonly string[], isChain: (name: string) => boolean): FirewallRule | undefined {
  const conditions: Condition[] = [];
  let action: Action = { kind: "none" };
  let negated = false;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? "";
    const value = words[i + 1] ?? "";
    if (word === "!") negated = true;
    else if (word === "-j" || word === "-g") {
      action = parseTarget(word, value, isChain);
      // What follows belongs to the target.
      break;
    } else if (word === "-m") i += 1;
    else if (word === "--comment") {
      if (value === "punch") return undefined;
      i += 1;
    } else if (word.startsWith("-")) {
      conditions.push(parseCondition(word, value, negated));
      negated = false;
    }
  }
  return { conditions, action };
}

function parseTarget(flag: string, target: string, isChain: (name: string) => boolean): Action {
  if (isChain(target)) return { kind: flag === "-g" ? "goto" : "jump", chain: target };
  const kind = actions[target];
  return kind === undefined || kind === "jump" || kind === "goto" ? { kind: "none" } : { kind };
}

function parseCondition(option: string, value: string, negated: boolean): Condition {
  const subject = subjects[option];
  const isAnotherInterface = subject === "interface" && value !== "lo";
  if (subject === undefined || isAnotherInterface) return { subject: "other", values: [], negated };
  return { subject, values: value.toLowerCase().split(",").map(parseValue), negated };
}

function parseValue(text: string): ConditionValue {
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (first === undefined) return text;
  return last === undefined ? Number(first) : [Number(first), Number(last)];
}
