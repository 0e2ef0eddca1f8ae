import { addressFamily } from "../core/address.ts";
import { type Check, formatPorts, isLoopback, portRuns, type RelayNeed, type Remedy } from "./check.ts";
import type { HostFacts } from "./facts.ts";
import { type Ending, type FirewallChain, follow, isSameTable, type Packet } from "./firewall.ts";

type Family = 4 | 6;

/** What a chain does to one of the relay's packets. */
interface Obstacle {
  readonly chain: FirewallChain;
  readonly family: Family;
  readonly port: number;
  /** True if some sources, interfaces or the like fare otherwise. */
  readonly isConditional: boolean;
}

/** Whether packets for the relay are let in, forwarded, and left to it by others' NAT rules. */
export function checkFirewall(facts: HostFacts, need: RelayNeed): Check[] {
  const names = ["firewall-input", "firewall-forward", "nat-rules"] as const;
  if (facts.platform !== "linux") {
    const found = `not read on ${facts.platform}: let UDP ${formatPorts(need.ports.map(({ port }) => port))} in`;
    return [{ check: names[0], group: "firewall", status: "unknown", found }];
  }
  if (!facts.firewall.ok) {
    const remedy = {
      remedy: "Run doctor as root to see the rules.",
      command: 'sudo "$(command -v node)" "$(command -v punchcast)" doctor',
    };
    const { reason } = facts.firewall;
    return names.map((check, i) => ({
      check,
      group: "firewall",
      status: "unknown",
      found: reason,
      ...(i === 0 && remedy),
    }));
  }
  const chains = facts.firewall.value;
  return [checkInput(chains, need), checkForward(chains, need), checkNat(chains, need)];
}

function checkInput(chains: readonly FirewallChain[], need: RelayNeed): Check {
  const check = { check: "firewall-input", group: "firewall" } as const;
  const numbers = need.ports.map(({ port }) => port);
  const hooks = ["prerouting", "input"];
  const obstacles = findObstacles(chains, need, hooks, "drop", (port) => ({ port, destinationType: "local" }));
  const found = describeDrops(obstacles, chains, need, "let in");
  if (found === undefined) return { ...check, status: "ok", found: `UDP ${formatPorts(numbers)} let in` };
  const blocked = numbers.filter((port) => obstacles.some((obstacle) => obstacle.port === port));
  return { ...check, ...found, ...openInput(obstacles, chains, blocked) };
}

function checkForward(chains: readonly FirewallChain[], need: RelayNeed): Check {
  const check = { check: "firewall-forward", group: "firewall" } as const;
  // iptables counts a translation among the states, too.
  const packet = (originalPort: number): Packet => ({ originalPort, status: "dnat", state: ["new", "dnat"] });
  const obstacles = findObstacles(chains, need, ["forward"], "drop", packet);
  const found = describeDrops(obstacles, chains, need, "forwarded");
  if (found === undefined) return { ...check, status: "ok", found: "redirected UDP is forwarded" };
  if (need.plane === "userspace") return { ...check, status: "unneeded", found: found.found };
  const blocked = need.ports.map(({ port }) => port).filter((port) => obstacles.some((one) => one.port === port));
  return { ...check, ...found, ...openForward(obstacles, chains, blocked) };
}

function checkNat(chains: readonly FirewallChain[], need: RelayNeed): Check {
  const check = { check: "nat-rules", group: "firewall" } as const;
  const packet = (port: number): Packet => ({ port, destinationType: "local" });
  const obstacles = findObstacles(chains, need, ["prerouting"], "translate", packet);
  const [first] = obstacles;
  if (first === undefined) return { ...check, status: "ok", found: "none on these ports" };
  const ports = formatPorts(obstacles.map(({ port }) => port));
  const isCertain = obstacles.some(({ isConditional }) => !isConditional);
  const { tool, family, table } = first.chain;
  const list = tool === "nft" ? `nft list table ${family} ${table}` : `${iptablesOf(first.chain)}-save -t ${table}`;
  return {
    ...check,
    status: isCertain ? "failed" : "warning",
    found: `${ownerOf(first.chain, chains)} redirects UDP ${ports}${isCertain ? "" : " under some conditions"}: the relay would not see it`,
    remedy: "Remove that rule (a port that a container publishes, say) or choose other ports.",
    command: `sudo ${list}`,
  };
}

/** Every base chain at these hooks with which a packet to one of the ports may end as `ending`. */
function findObstacles(
  chains: readonly FirewallChain[],
  need: RelayNeed,
  hooks: readonly string[],
  ending: Ending,
  packetTo: (port: number) => Packet,
): Obstacle[] {
  const type = ending === "translate" ? "nat" : "filter";
  const bases = chains.filter(({ base }) => base?.type === type && hooks.includes(base.hook));
  const obstacles: Obstacle[] = [];
  for (const family of familiesOf(need)) {
    for (const chain of bases.filter((base) => base.family !== (family === 4 ? "ip6" : "ip"))) {
      for (const { port } of need.ports) {
        const words = { protocol: "udp", family: `ipv${family}`, state: "new", status: "none", interface: "outside" };
        const fate = follow(chain, chains, { ...words, ...packetTo(port) });
        const mayTranslate = ending === "translate" && fate.exceptions.has(ending);
        // A drop for some sources only is a block list, and its maker's business.
        if (fate.ending !== ending && !mayTranslate) continue;
        const isConditional = fate.ending !== ending || (ending === "drop" && fate.exceptions.has("accept"));
        obstacles.push({ chain, family, port, isConditional });
      }
    }
  }
  return obstacles;
}

/** The IP versions in which the relay is reached from outside. */
function familiesOf(need: RelayNeed): Family[] {
  const outside = need.addresses.filter((address) => !isLoopback(address));
  return [...new Set(outside.map(addressFamily))];
}

function describeDrops(
  obstacles: readonly Obstacle[],
  chains: readonly FirewallChain[],
  need: RelayNeed,
  what: string,
): Pick<Check, "status" | "found"> | undefined {
  const [first] = obstacles;
  if (first === undefined) return undefined;
  const owners = [...new Set(unique(obstacles).map((chain) => `${ownerOf(chain, chains)} (${chain.name})`))];
  const ports = formatPorts(obstacles.map(({ port }) => port));
  const certain = obstacles.filter(({ isConditional }) => !isConditional);
  const isOpen = familiesOf(need).some((family) => certain.every((obstacle) => obstacle.family !== family));
  const only = isOpen && certain.length > 0 ? ` over IPv${first.family} (not over the other)` : "";
  const how =
    certain.length > 0
      ? `may block UDP ${ports}${only}: it drops what no rule accepts, and none accepts that`
      : `may block UDP ${ports}: it is ${what} under some conditions only`;
  return { status: isOpen ? "warning" : "failed", found: `${owners.join(", ")} ${how}` };
}

/** Who made a table, by the names of its chains. */
function ownerOf(chain: FirewallChain, chains: readonly FirewallChain[]): string {
  const names = chains.filter((other) => isSameTable(other, chain)).map(({ name }) => name);
  const makers = [
    ...(chain.table === "firewalld" ? ["firewalld"] : []),
    ...(names.some((name) => name.startsWith("ufw")) ? ["ufw"] : []),
    ...(names.some((name) => name.startsWith("DOCKER")) ? ["Docker"] : []),
  ];
  return makers.join(" and ") || `${chain.tool} table ${chain.family} ${chain.table}`;
}

function openInput(obstacles: readonly Obstacle[], chains: readonly FirewallChain[], ports: readonly number[]): Remedy {
  const owner = [...new Set(unique(obstacles).map((chain) => ownerOf(chain, chains)))].join(" and ");
  const remedy = `Let these ports through ${owner}.`;
  if (owner.includes("ufw")) {
    return { remedy, command: `sudo ufw allow ${formatPorts(ports, ":", ",")}/udp` };
  }
  if (owner.includes("firewalld")) {
    const add = portRuns(ports).map(([from, to]) => `--add-port=${from === to ? from : `${from}-${to}`}/udp`);
    return { remedy, command: `sudo firewall-cmd --permanent ${add.join(" ")} && sudo firewall-cmd --reload` };
  }
  const commands = unique(obstacles).map((chain) =>
    chain.tool === "nft"
      ? `sudo nft insert rule ${chain.family} ${chain.table} ${chain.name} udp dport '{ ${formatPorts(ports)} }' accept`
      : `sudo ${iptablesOf(chain)} -I ${chain.name} -p udp -m multiport --dports ${formatPorts(ports, ":", ",")} -j ACCEPT`,
  );
  return { remedy, command: commands.join(" && ") };
}

function openForward(
  obstacles: readonly Obstacle[],
  chains: readonly FirewallChain[],
  ports: readonly number[],
): Remedy {
  const owners = [...new Set(obstacles.map(({ chain }) => ownerOf(chain, chains)))].join(" and ");
  const commands = unique(obstacles).flatMap((chain) => {
    const { tool, family, table, name } = chain;
    if (tool === "nft") {
      const match = `meta l4proto udp ct original proto-dst '{ ${formatPorts(ports)} }'`;
      return [`sudo nft insert rule ${family} ${table} ${name} ${match} accept`];
    }
    // Docker keeps what is in DOCKER-USER when it rewrites the rest.
    const hasUserChain = chains.some((other) => isSameTable(other, chain) && other.name === "DOCKER-USER");
    const into = hasUserChain ? "DOCKER-USER" : name;
    return portRuns(ports).map(
      ([from, to]) =>
        `sudo ${iptablesOf(chain)} -I ${into} -p udp -m conntrack --ctorigdstport ${from === to ? from : `${from}:${to}`} -j ACCEPT`,
    );
  });
  return { remedy: `Let ${owners} forward what was sent to these ports.`, command: commands.join(" && ") };
}

function unique(obstacles: readonly Obstacle[]): FirewallChain[] {
  return [...new Set(obstacles.map(({ chain }) => chain))];
}

function iptablesOf({ tool, family }: FirewallChain): string {
  return family === "ip6" ? tool.replace("iptables", "ip6tables") : tool;
}
