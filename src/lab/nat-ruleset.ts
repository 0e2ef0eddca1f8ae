import { type Direction, mappingTimeoutSeconds, type NatBehaviour } from "./nat-behaviour.ts";

/*
 * A router is one nftables table per IP version. The kernel's conntrack does the translating; on its own it is a NAT with
 * address-and-port-dependent filtering whose mapping is endpoint-independent while ports are preserved and
 * address-and-port-dependent while they are random. The other behaviours need memory beyond one flow, kept in:
 *   mappings   internal endpoint (and remote address) → mapped port: makes the next flow take the same mapping
 *   owners     mapped port → internal address: lets in strangers, and tells which ports are taken
 *   ownerPorts mapped port → internal port
 *   permits    mapped port and remote address: which strangers
 *   flows      what people are shown; counts packets
 * All are written after translation, when conntrack knows both sides, and age as conntrack entries do. A map that is
 * written from packets takes 16 bytes on either side (nft 1.0.6 aborts beyond), less than an IPv6 endpoint. So owners are
 * split, and mappings know an address by its last 32 bits, carried in marks: the internal one in the flow's, the remote in
 * the packet's.
 */

/** What `natRuleset` needs to know of a router. */
export interface NatAddresses {
  /** The IPv4 address that the inside is hidden behind. */
  readonly publicAddress: string;
  /** The same for IPv6; without it the router has no IPv6 table. */
  readonly publicAddress6?: string | undefined;
}

interface Family {
  readonly ip: "ip" | "ip6";
  readonly type: "ipv4_addr" | "ipv6_addr";
  readonly publicAddress: string;
  /** The last 32 bits of the source and the destination address, as bit offset and length in the IP header. */
  readonly source: string;
  readonly destination: string;
}

/** The name of every table that the lab makes. */
export const tableName = "lab";

/** The interface on which a router meets the segment it is in; the other side is a bridge named `inside`. */
export const publicInterface = "public";

/** The nftables families a router has a table in. */
export function tableFamilies(router: NatAddresses): readonly ("ip" | "ip6")[] {
  return families(router).map(({ ip }) => ip);
}

/** The whole ruleset of a router, for `nft -f`. */
export function natRuleset(router: NatAddresses, nat: NatBehaviour): string {
  return families(router)
    .map((family) => tableText(family, nat))
    .join("\n");
}

/**
 * Makes a router forget every mapping at once, as a reboot does, in one transaction. `generation` must be new each time
 * (1-65535): conntrack entries are left behind in the zone of the last one, where no packet finds them, so that
 * conntrack(8) is not needed.
 */
export function flushRules(router: NatAddresses, nat: NatBehaviour, generation: number): string {
  return families(router)
    .flatMap(({ ip }) => [
      `flush chain ${ip} ${tableName} zone`,
      `add rule ${ip} ${tableName} zone ct zone set ${generation}`,
      ...memories(nat).map((name) => `flush ${memoryKind(name)} ${ip} ${tableName} ${name}`),
    ])
    .join("\n");
}

/** Replaces the loss of one direction; the counters go on. */
export function lossRules(router: NatAddresses, direction: Direction, percent: number): string {
  return families(router)
    .flatMap(({ ip }) => [
      `flush chain ${ip} ${tableName} ${direction}`,
      ...legRules(direction, percent).map((rule) => `add rule ${ip} ${tableName} ${direction} ${rule}`),
    ])
    .join("\n");
}

type Memory = "mappings" | "owners" | "ownerPorts" | "permits" | "flows";

function memories(nat: NatBehaviour): readonly Memory[] {
  const strangers = nat.filtering !== "address-and-port-dependent";
  const kernelReusesMapping = nat.mapping === "endpoint-independent" && nat.ports === "preserved" && !strangers;
  const list: Memory[] = ["flows"];
  if (nat.mapping !== "address-and-port-dependent" && !kernelReusesMapping) list.push("mappings");
  if (strangers || (nat.ports === "preserved" && !kernelReusesMapping)) list.push("owners", "ownerPorts");
  if (nat.filtering === "address-dependent") list.push("permits");
  return list;
}

function memoryKind(name: Memory): "map" | "set" {
  return name === "flows" || name === "permits" ? "set" : "map";
}

function families({ publicAddress, publicAddress6 }: NatAddresses): Family[] {
  const ip: Family = { ip: "ip", type: "ipv4_addr", publicAddress, source: "@nh,96,32", destination: "@nh,128,32" };
  if (publicAddress6 === undefined) return [ip];
  const inBrackets = `[${publicAddress6}]`;
  const [source, destination] = ["@nh,160,32", "@nh,288,32"];
  return [ip, { ip: "ip6", type: "ipv6_addr", publicAddress: inBrackets, source, destination }];
}

function tableText(family: Family, nat: NatBehaviour): string {
  const known = memories(nat);
  const { ip, type } = family;
  const memoryTypes: Record<Memory, string> = {
    flows: `${type} . inet_service . inet_service . ${type} . inet_service`,
    mappings: `mark . inet_service${remembersAddress(nat) ? " . mark" : ""} : inet_service`,
    owners: `inet_service : ${type}`,
    ownerPorts: "inet_service : inet_service",
    permits: `inet_service . ${type}`,
  };
  const timeout = `flags dynamic,timeout; timeout ${mappingTimeoutSeconds(nat)}s; size 65535;`;
  return `table ${ip} ${tableName} {
${known.map((name) => `  ${memoryKind(name)} ${name} { type ${memoryTypes[name]}; ${timeout} }`).join("\n")}
  counter forwarded_in {}
  counter forwarded_out {}
  counter lost_in {}
  counter lost_out {}
  chain zone { type filter hook prerouting priority raw;
    ct zone set 1
  }
  chain dstnat { type nat hook prerouting priority dstnat;
${rules(strangerRules(ip, nat))}
  }
  chain input { type filter hook input priority filter;
${rules([`iifname ${publicInterface} meta l4proto { tcp, udp } drop`])}
  }
  chain in {
${rules(legRules("in", nat.lossPercent?.in ?? 0))}
  }
  chain out {
${rules(legRules("out", nat.lossPercent?.out ?? 0))}
  }
  chain forward { type filter hook forward priority filter;
${rules(known.includes("mappings") ? markRules(family) : [])}
    iifname ${publicInterface} ct state new ct status ! dnat drop
    oifname ${publicInterface} goto out
    iifname ${publicInterface} goto in
  }
  chain srcnat { type nat hook postrouting priority srcnat;
${rules(sourceRules(family, nat, known))}
  }
  chain learn { type filter hook postrouting priority srcnat + 1;
${rules([learnRule(ip, nat, known, "outbound"), learnRule(ip, nat, known, "inbound")])}
  }
}
`;
}

function rules(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join("\n");
}

function remembersAddress(nat: NatBehaviour): boolean {
  return nat.mapping === "address-dependent";
}

/** numgen counts whole numbers, so hundredths of a percent are the finest step. */
function legRules(direction: Direction, percent: number): string[] {
  const share = Math.round(percent * 100);
  const loss = share === 0 ? [] : [`numgen random mod 10000 <= ${share - 1} counter name lost_${direction} drop`];
  return [...loss, `counter name forwarded_${direction}`];
}

function markRules({ source, destination }: Family): string[] {
  return [
    // One to a rule: after two in one, nft 1.0.6 misreads the keywords of the rules that follow.
    `oifname ${publicInterface} ct mark set ${source}`,
    `oifname ${publicInterface} meta mark set ${destination}`,
    `iifname ${publicInterface} ct mark set ${destination}`,
    `iifname ${publicInterface} meta mark set ${source}`,
  ];
}

/** What a stranger's first packet meets; whoever was sent to is known to conntrack and never comes here. */
function strangerRules(ip: Family["ip"], nat: NatBehaviour): string[] {
  if (nat.filtering === "address-and-port-dependent") return [];
  const gate = nat.filtering === "address-dependent" ? `udp dport . ${ip} saddr @permits ` : "";
  return [
    `iifname ${publicInterface} meta l4proto udp ${gate}dnat ${ip} to udp dport map @owners : udp dport map @ownerPorts`,
  ];
}

/** The mapping of a new outbound flow: the one it has, else its own port if that is free, else a drawn one. */
function sourceRules(family: Family, nat: NatBehaviour, known: readonly Memory[]): string[] {
  const { publicAddress } = family;
  const out = `oifname ${publicInterface}`;
  const list: string[] = [];
  if (known.includes("mappings")) {
    const key = `ct mark . udp sport${remembersAddress(nat) ? " . meta mark" : ""}`;
    list.push(`${out} meta l4proto udp snat to ${publicAddress} : ${key} map @mappings`);
  }
  if (nat.ports === "random") return [...list, `${out} snat to ${publicAddress} fully-random`];
  if (known.includes("owners")) list.push(`${out} udp sport @owners snat to ${publicAddress} fully-random`);
  return [...list, `${out} snat to ${publicAddress}`];
}

/** Conntrack names the sides after who spoke first, so a flow that a stranger began is read the other way round. */
function learnRule(
  ip: Family["ip"],
  nat: NatBehaviour,
  known: readonly Memory[],
  begun: "outbound" | "inbound",
): string {
  const [status, inner, outer] = begun === "outbound" ? ["snat", "original", "reply"] : ["dnat", "reply", "original"];
  const side = begun === "outbound" ? ["daddr", "proto-dst"] : ["saddr", "proto-src"];
  const internal = `ct ${inner} ${ip} saddr . ct ${inner} proto-src`;
  const mappedPort = `ct ${outer} proto-dst`;
  const remoteAddress = `ct original ${ip} ${side[0]}`;
  const key = `ct mark . ct ${inner} proto-src${remembersAddress(nat) ? " . meta mark" : ""}`;
  const updates: Record<Memory, string> = {
    flows: `@flows { ${internal} . ${mappedPort} . ${remoteAddress} . ct original ${side[1]} counter }`,
    mappings: `@mappings { ${key} : ${mappedPort} }`,
    owners: `@owners { ${mappedPort} : ct ${inner} ${ip} saddr }`,
    ownerPorts: `@ownerPorts { ${mappedPort} : ct ${inner} proto-src }`,
    permits: `@permits { ${mappedPort} . ${remoteAddress} }`,
  };
  return `meta l4proto udp ct status ${status} ${known.map((name) => `update ${updates[name]}`).join(" ")}`;
}
