import { addressFamily } from "../core/address.ts";
import { mappingTimeoutSeconds } from "./nat-behaviour.ts";
import { natRuleset, publicInterface } from "./nat-ruleset.ts";
import {
  gatewayOf,
  publicSegmentName,
  type Scene,
  type SceneHost,
  type SceneRouter,
  type Segment,
  segmentOf,
} from "./scene.ts";

/** Joins the members of a segment, in the namespace of the router it belongs to or in the public one. */
const bridgeName = "inside";

/**
 * The shell script that builds a checked scene in the holder's namespaces: one network namespace per node, one more for
 * the public segment, and a veth pair from each node to its segment's bridge, whose port bears the node's name.
 * Few processes do much each, so that a scene stands within the time a test can spare.
 */
export function buildScript(scene: Scene): string {
  const nodes = [...scene.routers, ...scene.hosts];
  const links = [
    `netns add ${publicSegmentName}`,
    ...nodes.map(({ name }) => `netns add ${name}`),
    ...scene.routers.map((router) => linkLine(router, publicInterface)),
    ...scene.hosts.map((host) => linkLine(host, "eth0")),
  ];
  return [
    ipBatch(links),
    inNamespace(publicSegmentName, segmentPart(scene, undefined)),
    'routers=""',
    // A ruleset waits up to 60 ms for the kernel to let go of the old one; a hundred routers can wait together.
    ...scene.routers.map(
      (router) => `${inNamespace(router.name, routerPart(scene, router), "&")}\nrouters="$routers $!"`,
    ),
    ...scene.hosts.map((host) => inNamespace(host.name, hostPart(scene, host))),
    'for router in $routers; do wait "$router"; done',
    "",
  ].join("\n");
}

function linkLine(node: { name: string; behind?: string }, interfaceName: string): string {
  return `link add ${interfaceName} netns ${node.name} type veth peer name ${node.name} netns ${node.behind ?? publicSegmentName}`;
}

function segmentPart(scene: Scene, router: string | undefined): string {
  const members = [...scene.routers, ...scene.hosts].filter(({ behind }) => behind === router);
  return ipBatch([
    "link set lo up",
    // Snooping would hold back neighbour discovery until a querier shows up, and there is none.
    `link add ${bridgeName} type bridge mcast_snooping 0`,
    ...members.flatMap(({ name }) => [`link set ${name} master ${bridgeName}`, `link set ${name} up`]),
    `link set ${bridgeName} up`,
  ]);
}

function routerPart(scene: Scene, router: SceneRouter): string {
  const { inside, nat, publicAddress, publicAddress6 } = router;
  const seconds = mappingTimeoutSeconds(nat);
  const ipv6 = publicAddress6 !== undefined;
  return [
    ...(ipv6 ? ipv6Settings : []),
    segmentPart(scene, router.name),
    ipBatch([
      ...subnets(inside).map((subnet) => addressLine(gatewayOf(subnet).address, subnet, bridgeName)),
      ...attachLines(scene, router, publicInterface, [publicAddress, publicAddress6]),
    ]),
    hereDocument("nft -f -", natRuleset(router, nat)),
    "echo 1 >/proc/sys/net/ipv4/ip_forward",
    ...(ipv6 ? ["echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"] : []),
    // A flow counts as a stream once it was answered; a mapping's life must not depend on that.
    `echo ${seconds} >/proc/sys/net/netfilter/nf_conntrack_udp_timeout`,
    `echo ${seconds} >/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream`,
  ].join("\n");
}

function hostPart(scene: Scene, host: SceneHost): string {
  const { address, address6, moreAddresses = [] } = host;
  const addresses = [address, address6, ...moreAddresses];
  return [
    ...(addresses.some((text) => text !== undefined && addressFamily(text) === 6) ? ipv6Settings : []),
    ipBatch(["link set lo up", ...attachLines(scene, host, "eth0", addresses)]),
  ].join("\n");
}

/** Containers often start with IPv6 switched off; duplicate address detection would keep addresses unusable for 1-2 s. */
const ipv6Settings: readonly string[] = [
  "echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6",
  "echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad",
  "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad",
];

/** Gives a node's interface its addresses and, behind a router, that router as the way out. */
function attachLines(
  scene: Scene,
  node: { behind?: string },
  interfaceName: string,
  addresses: readonly (string | undefined)[],
): string[] {
  const segment = segmentOf(scene, node.behind);
  const own = addresses.filter((address) => address !== undefined);
  const lines = own.map((address) => {
    const subnet = addressFamily(address) === 6 ? (segment.subnet6 ?? segment.subnet) : segment.subnet;
    return addressLine(address, subnet, interfaceName);
  });
  lines.push(`link set ${interfaceName} up`);
  if (node.behind === undefined) return lines;
  const families = new Set(own.map(addressFamily));
  const gateways = subnets(segment).map((subnet) => gatewayOf(subnet).address);
  return [
    ...lines,
    ...gateways.filter((via) => families.has(addressFamily(via))).map((via) => `route add default via ${via}`),
  ];
}

function addressLine(address: string, subnet: string, interfaceName: string): string {
  const nodad = addressFamily(address) === 6 ? " nodad" : "";
  return `address add ${address}/${gatewayOf(subnet).prefixLength} dev ${interfaceName}${nodad}`;
}

function subnets(segment: Segment): string[] {
  return segment.subnet6 === undefined ? [segment.subnet] : [segment.subnet, segment.subnet6];
}

function inNamespace(name: string, script: string, background = ""): string {
  return hereDocument(`nsenter --net=/run/netns/${name} sh -e`, script, "NODE", background);
}

function ipBatch(lines: readonly string[]): string {
  return hereDocument("ip -batch -", lines.join("\n"));
}

function hereDocument(command: string, text: string, end = "END", background = ""): string {
  return `${command} <<'${end}' ${background}\n${text}\n${end}`;
}
