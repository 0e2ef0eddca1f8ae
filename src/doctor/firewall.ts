import type { NatTool } from "../data-plane/nat/nat-backend.ts";

/** What a condition looks at. `other`: something that a made-up packet cannot answer, such as a source address. */
export type Subject =
  | "protocol"
  | "port"
  | "originalPort"
  | "family"
  | "state"
  | "status"
  | "destinationType"
  | "interface"
  | "other";

/** A port, a run of ports, or a word. */
export type ConditionValue = number | string | readonly [first: number, last: number];

/** Holds if what it looks at is one of the values, or none of them if `negated`. */
export interface Condition {
  readonly subject: Subject;
  readonly values: readonly ConditionValue[];
  readonly negated: boolean;
}

/** What a rule does with a packet that fulfils all its conditions. `none`: it goes on to the next rule. */
export type Action =
  | { readonly kind: "accept" | "drop" | "translate" | "return" | "none" }
  | { readonly kind: "jump" | "goto"; readonly chain: string };

/** A rule, whichever tool it was made with. */
export interface FirewallRule {
  readonly conditions: readonly Condition[];
  readonly action: Action;
}

/** A chain with its rules; `base` if packets enter there. */
export interface FirewallChain {
  /** The tool that changes it; `iptables` is whichever variant goes by that name here. */
  readonly tool: NatTool;
  readonly family: "ip" | "ip6" | "inet";
  readonly table: string;
  readonly name: string;
  readonly base:
    | { readonly type: "filter" | "nat"; readonly hook: string; readonly policy: "accept" | "drop" }
    | undefined;
  readonly rules: readonly FirewallRule[];
}

/** The packet that is sent through the rules in thought; a subject that is left out may be anything, several words hold together. */
export type Packet = { readonly [Key in Exclude<Subject, "other">]?: number | string | readonly string[] };

/** Where a packet may end. */
export type Ending = "accept" | "drop" | "translate";

/** How the rules treat a packet. */
export interface Fate {
  /** What happens to one that fulfils no condition that had to be left open. */
  readonly ending: Ending;
  /** What else may happen to it, if it fulfils one of those. */
  readonly exceptions: ReadonlySet<Ending>;
}

/** Chains that call chains deeper than this are not followed: the kernel's own limit (NFT_JUMP_STACK_SIZE). */
const maxDepth = 16;

/** Follows a packet from a base chain to its end. `chains` are all there are. */
export function follow(base: FirewallChain, chains: readonly FirewallChain[], packet: Packet): Fate {
  const table = chains.filter((chain) => isSameTable(chain, base));
  const exceptions = new Set<Ending>();
  const ending = walk(base, table, packet, exceptions, 0);
  return { ending: ending === "continue" ? (base.base?.policy ?? "accept") : ending, exceptions };
}

/** True for chains that can call one another. */
export function isSameTable(a: FirewallChain, b: FirewallChain): boolean {
  return a.tool === b.tool && a.family === b.family && a.table === b.table;
}

function walk(
  chain: FirewallChain,
  table: readonly FirewallChain[],
  packet: Packet,
  exceptions: Set<Ending>,
  depth: number,
): Ending | "continue" {
  for (const { conditions, action } of chain.rules) {
    const match = matches(conditions, packet);
    if (match === "no" || action.kind === "none") continue;
    if (action.kind === "return") {
      if (match === "yes") return "continue";
      continue;
    }
    const result = "chain" in action ? enter(action.chain, table, packet, exceptions, depth) : action.kind;
    if (match === "maybe") {
      if (result !== "continue") exceptions.add(result);
      continue;
    }
    if (result !== "continue" || action.kind === "goto") return result;
  }
  return "continue";
}

function enter(
  name: string,
  table: readonly FirewallChain[],
  packet: Packet,
  exceptions: Set<Ending>,
  depth: number,
): Ending | "continue" {
  const chain = table.find((candidate) => candidate.name === name);
  if (chain === undefined || depth >= maxDepth) return "continue";
  return walk(chain, table, packet, exceptions, depth + 1);
}

function matches(conditions: readonly Condition[], packet: Packet): "yes" | "no" | "maybe" {
  let open = false;
  for (const { subject, values, negated } of conditions) {
    const value = subject === "other" ? undefined : packet[subject];
    if (value === undefined) {
      open = true;
      continue;
    }
    const held = typeof value === "object" ? value : [value];
    if (values.some((wanted) => held.some((one) => covers(wanted, one))) === negated) return "no";
  }
  return open ? "maybe" : "yes";
}

function covers(wanted: ConditionValue, value: number | string): boolean {
  if (typeof wanted !== "object") return wanted === value;
  return typeof value === "number" && wanted[0] <= value && value <= wanted[1];
}
