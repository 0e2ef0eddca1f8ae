import type { Endpoint } from "../../../core/address.ts";
import type { PlanePorts } from "../../data-plane.ts";
import { familyOf, type Mapping, type MappingCounts } from "../mapping.ts";

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
 * - `carried`: what conntrack shall see of the publisher, and where it is counted
 * - `replies`: what conntrack shall see of the viewer, its RTCP
 * - `viewers`: where the publisher's packets go (the seed's DNAT), `punched`: where they come from then (its SNAT)
 * - `sent`: what leaves for the viewer, and where it is counted
 */
function elements(mapping: Mapping): readonly (readonly [set: string, key: string, data?: string])[] {
  const { publisher, ingest, viewer, punched } = mapping;
  const version = familyOf(mapping);
  const [carried, sent] = counterNames(mapping);
  return [
    [`carried${version}`, pair(publisher, ingest), `"${carried}"`],
    [`replies${version}`, pair(viewer, punched)],
    [`viewers${version}`, pair(publisher, ingest), `${viewer.address} . ${viewer.port}`],
    [`punched${version}`, pair(publisher, viewer), `${punched.address} . ${punched.port}`],
    [`sent${version}`, pair(punched, viewer), `"${sent}"`],
  ];
}

/** Whose packets a counter counts, and on which side of the kernel. */
export interface CounterUse extends Pick<Mapping, "publisher" | "viewer"> {
  readonly side: keyof MappingCounts;
}

/** The names of a mapping's two counters. nft takes no colons in names, so IPv6's become `_`. */
function counterNames({ publisher, viewer }: Pick<Mapping, "publisher" | "viewer">): readonly [string, string] {
  const ends = [publisher, viewer].map(({ address, port }) => `${address.replaceAll(":", "_")}-${port}`).join("-");
  return [`carried-${ends}`, `sent-${ends}`];
}

/** What a name of `counterNames` says; `undefined` for a name that is none. */
export function readCounterName(name: string): CounterUse | undefined {
  const [, side, from = "", fromPort, to = "", toPort] =
    /^(carried|sent)-([\w.]+)-(\d+)-([\w.]+)-(\d+)$/.exec(name) ?? [];
  if (side !== "carried" && side !== "sent") return undefined;
  const endpoint = (address: string, port: string | undefined): Endpoint => ({
    ...{ address: address.replaceAll("_", ":"), port: Number(port) },
  });
  return { side, publisher: endpoint(from, fromPort), viewer: endpoint(to, toPort) };
}

/** Commands that add, or delete, mappings. Deleting leaves the counters, which `forgetCommands` takes away. */
export function mappingCommands(verb: "add" | "delete", mappings: readonly Mapping[]): string[] {
  return mappings.flatMap((mapping) => [
    ...(verb === "add" ? counterNames(mapping).map((name) => `add counter inet ${tableName} ${name}`) : []),
    ...elements(mapping).map(([set, key, data]) => {
      return `${verb} element inet ${tableName} ${set} { ${key}${data === undefined ? "" : ` : ${data}`} }`;
    }),
  ]);
}

/** Commands that delete mappings' counters. */
export function forgetCommands(mappings: readonly Mapping[]): string[] {
  return mappings.flatMap(counterNames).map((name) => `delete counter inet ${tableName} ${name}`);
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
    const maps = [
      ...["carried", "sent"].map((map) => [map, "counter"] as const),
      ...["viewers", "punched"].map((map) => [map, `${address} . inet_service`] as const),
    ];
    return [
      `  set replies${version} { ${type}; }`,
      ...maps.map(([map, data]) => `  map ${map}${version} { ${type} : ${data}; }`),
    ];
  });
  const rule = (text: string): string => `    ${text} comment "punch"`;
  const each = (text: (ip: string, version: number) => string): string[] =>
    versions.map(({ ip, version }) => rule(text(ip, version)));
  const chain = (chainName: string, ...content: readonly string[]): string[] => [
    `  chain ${chainName} {`,
    ...content,
    "  }",
  ];
  const hook = (text: string): string => `    type ${text}; policy accept;`;
  // The first rule of each chain is all that packets of others meet, and the media's rule comes before the rest.
  return [
    `table inet ${name} {`,
    '  comment "punch"',
    ...lines,
    // Only what a mapping carries is tracked: everything else on the relay's ports goes up to it untouched. On the punch
    // port that goes for all that is no RTP or RTCP (RFC 3550's version 2 in the first two bits): STUN and bare punches.
    ...chain(
      "ours",
      ...each((ip, v) => `udp dport != ${punch} counter name ${ends(ip)} map @carried${v} accept`),
      ...each((ip, v) => `udp dport ${punch} @th,64,2 2 counter name ${ends(ip)} map @carried${v} accept`),
      ...each((ip, v) => `udp dport ${punch} @th,64,2 2 ${ends(ip)} @replies${v} accept`),
      rule("fib daddr type local notrack"),
    ),
    ...chain("untracked", hook("filter hook prerouting priority raw"), rule(`udp dport { ${ports} } goto ours`)),
    ...chain(
      "answers",
      hook("filter hook output priority raw"),
      rule(`udp sport { ${ports} } fib saddr type local notrack`),
    ),
    // Asked for the first packet of a connection only. A viewer's RTCP before the stream's first packet would make an entry
    // with the addresses that the stream needs.
    ...chain(
      "first",
      ...each((ip, v) => `dnat ${ip} to ${ends(ip)} map @viewers${v}`),
      ...each((ip, v) => `${ends(ip)} @replies${v} drop`),
    ),
    // One before the usual priority, so that a masquerade rule of somebody else does not get there first.
    ...chain("to-viewer", hook("nat hook prerouting priority dstnat - 1"), rule(`udp dport { ${ports} } goto first`)),
    ...chain(
      "from-punched",
      hook("nat hook postrouting priority srcnat - 1"),
      ...each((ip, v) => `snat ${ip} to ${ends(ip)} map @punched${v}`),
    ),
    // Behind the translation, where nearly all that is not ours is told by its port; the relay's own answers are not tracked.
    ...chain("translated", ...each((ip, v) => `counter name ${ends(ip)} map @sent${v}`)),
    ...chain(
      "count-sent",
      hook("filter hook postrouting priority srcnat + 1"),
      rule(`udp sport ${punch} ct state != untracked goto translated`),
    ),
    "}",
    ...mappingCommands("add", mappings),
    "",
  ].join("\n");
}
