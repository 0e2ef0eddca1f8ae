import { addressToBytes, bytesToAddress, normalizeAddress } from "../core/address.ts";
import { cidrContains, parseCidr } from "../core/cidr.ts";
import { PunchcastError } from "../core/errors.ts";
import { checkNatBehaviour, type NatBehaviour } from "./nat-behaviour.ts";

/** The addresses of one network segment, as CIDR text: `192.168.12.0/24`; without `subnet6` it has no IPv6. */
export interface Segment {
  readonly subnet: string;
  readonly subnet6?: string;
}

/** A router with NAT. Inside it has the first address of each of its subnets. */
export interface SceneRouter {
  /** Unique among routers and hosts; at most 15 characters, the kernel's limit for an interface's name. */
  readonly name: string;
  /** Its address on the segment it is in, and what it hides its inside behind. */
  readonly publicAddress: string;
  readonly publicAddress6?: string;
  readonly inside: Segment;
  readonly nat: NatBehaviour;
  /** The router whose inside this one is in; default the public segment. With it there are two NATs in a row (CGNAT). */
  readonly behind?: string;
}

/** A machine with one interface, `eth0`. Within a segment the last 32 bits of IPv6 addresses differ: routers go by them. */
export interface SceneHost {
  readonly name: string;
  readonly address: string;
  readonly address6?: string;
  /** Further addresses of the interface, of either version, in the same subnets; default none. */
  readonly moreAddresses?: readonly string[];
  /** The router whose inside the host is in; default the public segment. */
  readonly behind?: string;
}

/** Networks to build: a public segment, routers on it or behind one another, hosts on it or behind routers. */
export interface Scene {
  readonly publicSegment: Segment;
  readonly routers: readonly SceneRouter[];
  readonly hosts: readonly SceneHost[];
}

/** The namespace that holds the public segment's bridge. */
export const publicSegmentName = "public";

/** The segment inside `routerName`, or the public one. */
export function segmentOf(scene: Scene, routerName: string | undefined): Segment {
  return scene.routers.find(({ name }) => name === routerName)?.inside ?? scene.publicSegment;
}

/** The first address of a subnet and its prefix length: `192.168.12.1` of `192.168.12.0/24`. */
export function gatewayOf(subnet: string): { address: string; prefixLength: number } {
  const cidr = parseCidr(subnet);
  if (cidr === undefined) throw new PunchcastError("BAD_OPTION", `"${subnet}" is not a subnet like 192.168.12.0/24.`);
  const bytes = cidr.bytes.slice();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1;
  return { address: bytesToAddress(bytes), prefixLength: cidr.prefixLength };
}

/** Throws `BAD_OPTION` naming the first thing in the scene that cannot be built. */
export function checkScene(scene: Scene): void {
  const names = new Set<string>(["lo", "eth0", "inside", publicSegmentName]);
  const taken = new Set<string>();
  for (const { name, behind } of [...scene.routers, ...scene.hosts]) {
    if (!/^[A-Za-z][A-Za-z0-9-]{0,14}$/.test(name)) {
      throw refusal(`the name "${name}"`, "give a letter and up to 14 letters, digits or hyphens");
    }
    if (names.has(name)) throw refusal(`two nodes called "${name}"`, "give each a name of its own");
    names.add(name);
    checkParent(scene, name, behind);
  }
  for (const router of scene.routers) {
    checkNatBehaviour(router.name, router.nat);
    takeGateways(router.inside, `${router.name}/`, taken);
    takeAddresses(scene, router, [router.publicAddress, router.publicAddress6], taken);
  }
  for (const host of scene.hosts) {
    takeAddresses(scene, host, [host.address, host.address6, ...(host.moreAddresses ?? [])], taken);
  }
}

function checkParent(scene: Scene, name: string, behind: string | undefined): void {
  let parent = behind;
  for (let depth = 0; parent !== undefined; depth++) {
    const router = scene.routers.find((candidate) => candidate.name === parent);
    if (router === undefined) throw refusal(`${name} behind "${parent}"`, "name one of its routers");
    if (depth > scene.routers.length) throw refusal(`${name} behind itself`, "let the chain of routers end in public");
    parent = router.behind;
  }
}

function takeGateways(segment: Segment, place: string, taken: Set<string>): void {
  taken.add(place + endOf(gatewayOf(segment.subnet).address));
  if (segment.subnet6 !== undefined) taken.add(place + endOf(gatewayOf(segment.subnet6).address));
}

function takeAddresses(
  scene: Scene,
  node: { name: string; behind?: string },
  addresses: readonly (string | undefined)[],
  taken: Set<string>,
): void {
  const { subnet, subnet6 } = segmentOf(scene, node.behind);
  const blocks = [subnet, subnet6 ?? subnet].map(parseCidr);
  for (const address of addresses) {
    if (address === undefined) continue;
    if (normalizeAddress(address) !== address || !blocks.some((block) => block && cidrContains(block, address))) {
      throw refusal(`${node.name} at ${address}`, `give an address of ${[subnet, subnet6 ?? []].flat().join(" or ")}`);
    }
    const place = `${node.behind ?? ""}/${endOf(address)}`;
    if (taken.has(place)) throw refusal(`${address} twice in one segment`, `give ${node.name} another address`);
    taken.add(place);
  }
}

/** What a router knows an address by; a colon keeps the versions apart. */
function endOf(address: string): string {
  const bytes = addressToBytes(address) ?? [];
  return `${bytes.length === 16 ? ":" : ""}${bytes.slice(-4).join(".")}`;
}

function refusal(what: string, remedy: string): PunchcastError {
  return new PunchcastError("BAD_OPTION", `A lab cannot have ${what}: ${remedy}.`);
}
