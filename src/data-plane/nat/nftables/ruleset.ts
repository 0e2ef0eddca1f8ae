import type { PlanePorts } from "../../data-plane.ts";
import { familyOf, type Mapping } from "../mapping.ts";

/** Punchcast's own table: whatever is in it is ours, whatever is not is somebody else's. */
export const tableName = "punchcast";

/** The sets and maps of one IP version: their names end in 4 or 6. */
const versions = [
  { version: 4, ip: "ip", address: "ipv4_addr" },
  { version: 6, ip: "ip6", address: "ipv6_addr" },
] as const;

/** A packet's source and destination, as every set and map here has them. */
const ends = (ip: string): string => `${ip} saddr . udp sport . ${ip} daddr . udp dport`;

/** The same as values, from any two endpoints. */
const pair = (from: Mapping["viewer"], to: Mapping["viewer"]): string =>
  `${from.address} . ${from.port} . ${to.address} . ${to.port}`;

/**
 * The elements that make one mapping, by the set or map that each belongs to.
 *
 * - `tracked`: what conntrack shall see, the publisher's packets and the viewer's RTCP
 * - `replies`: the viewer's half of that
 * - `viewers`: where the publisher's packets go (the seed's DNAT), `punched`: where they come from then (its SNAT)
 */
function elements(mapping: Mapping): readonly (readonly [set: string, key: string, data?: string])[] {
  const { publisher, ingest, viewer, punched } = mapping;
  const version = familyOf(mapping);
  return [
    [`tracked${version}`, pair(publisher, ingest)],
    [`tracked${version}`, pair(viewer, punched)],
    [`replies${version}`, pair(viewer, punched)],
    [`viewers${version}`, pair(publisher, ingest), `${viewer.address} . ${viewer.port}`],
    [`punched${version}`, pair(publisher, viewer), `${punched.address} . ${punched.port}`],
  ];
}

/** Where a mapping's packets are counted: on their way in, and when they are about to leave. */
function counters(mapping: Mapping): readonly (readonly [set: string, key: string])[] {
  const key = pair(mapping.publisher, mapping.viewer);
  return [
    [`carried${familyOf(mapping)}`, key],
    [`sent${familyOf(mapping)}`, key],
  ];
}

/** Commands that add, or delete, mappings. Deleting leaves the counters, which `forgetCommands` takes away. */
export function mappingCommands(verb: "add" | "delete", mappings: readonly Mapping[]): string[] {
  return mappings.flatMap((mapping) => {
    const all = verb === "add" ? [...elements(mapping), ...counters(mapping)] : elements(mapping);
    return all.map(([set, key, data]) => {
      return `${verb} element inet ${tableName} ${set} { ${key}${data === undefined ? "" : ` : ${data}`} }`;
    });
  });
}

/** Commands that delete mappings' counters. */
export function forgetCommands(mappings: readonly Mapping[]): string[] {
  return mappings.flatMap(counters).map(([set, key]) => `delete element inet ${tableName} ${set} { ${key} }`);
}

/** The whole table; another `name` makes one that does nothing for mappings. */
export function tableText(
  { punch, ingest }: PlanePorts,
  mappings: readonly Mapping[],
  name: string = tableName,
): string {
  const ports = [punch, ...ingest].join(", ");
  const lines = versions.flatMap(({ version, address }) => {
    const type = `type ${address} . inet_service . ${address} . inet_service`;
    return [
      ...["tracked", "replies"].map((set) => [set, type] as const),
      ...["viewers", "punched"].map((map) => [map, `${type} : ${address} . inet_service`] as const),
      ...["carried", "sent"].map((set) => [set, `${type}; counter`] as const),
    ].map(([set, definition]) => {
      const kind = definition.includes(" : ") ? "map" : "set";
      return `  ${kind} ${set}${version} { ${definition}; }`;
    });
  });
  const each = (rule: (ip: string, version: number) => string): string[] =>
    versions.map(({ ip, version }) => `    ${rule(ip, version)} comment "punch"`);
  const chain = (chainName: string, hook: string, ...rules: readonly string[]): string[] => [
    `  chain ${chainName} {`,
    `    ${hook}; policy accept;`,
    ...rules,
    "  }",
  ];
  return [
    `table inet ${name} {`,
    '  comment "punch"',
    ...lines,
    // Only what a mapping carries is tracked: everything else on the relay's ports goes up to it untouched. On the punch
    // port that goes for all that is no RTP or RTCP (RFC 3550's version 2 in the first two bits): STUN and bare punches.
    ...chain(
      "untracked",
      "type filter hook prerouting priority raw",
      `    udp dport != { ${ports} } accept comment "punch"`,
      ...(ingest.length > 0
        ? each((ip, version) => `udp dport { ${ingest.join(", ")} } ${ends(ip)} @tracked${version} accept`)
        : []),
      ...each((ip, version) => `udp dport ${punch} @th,64,2 2 ${ends(ip)} @tracked${version} accept`),
      `    udp dport { ${ports} } fib daddr type local notrack comment "punch"`,
    ),
    ...chain(
      "answers",
      "type filter hook output priority raw",
      `    udp sport { ${ports} } fib saddr type local notrack comment "punch"`,
    ),
    // A viewer's RTCP before the stream's first packet would make an entry with the addresses that the stream needs.
    ...chain(
      "early",
      "type filter hook prerouting priority mangle",
      ...each((ip, version) => `ct state new ${ends(ip)} @replies${version} drop`),
    ),
    // One before the usual priority, so that a masquerade rule of somebody else does not get there first.
    ...chain(
      "to-viewer",
      "type nat hook prerouting priority dstnat - 1",
      ...each((ip, version) => `dnat ${ip} to ${ends(ip)} map @viewers${version}`),
    ),
    ...chain(
      "from-punched",
      "type nat hook postrouting priority srcnat - 1",
      ...each((ip, version) => `snat ${ip} to ${ends(ip)} map @punched${version}`),
    ),
    ...chain(
      "count-carried",
      "type filter hook forward priority mangle",
      ...each((ip, v) => `${ends(ip)} @carried${v}`),
    ),
    ...chain("count-sent", "type filter hook postrouting priority mangle", ...each((ip, v) => `${ends(ip)} @sent${v}`)),
    "}",
    ...mappingCommands("add", mappings),
    "",
  ].join("\n");
}
