import { addressFamily } from "../core/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../core/cidr.ts";
import { type Check, isLoopback, type RelayNeed } from "./check.ts";
import type { HostFacts } from "./facts.ts";
import { readSwitch } from "./kernel-checks.ts";

/** Blocks that are no address on the internet (RFC 6890, RFC 4193, RFC 4291). */
const localBlocks: readonly Cidr[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.2.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  "::/127",
  "fc00::/7",
  "fe80::/10",
  "2001:db8::/32",
].flatMap((text) => parseCidr(text) ?? []);

/** What Ethernet carries; senders fill it with RTP of up to 1,472 bytes of UDP payload. */
const usualMtu = 1_500;

/** Headers before the payload of UDP: 8 bytes of its own after IPv4's 20 or IPv6's 40 (RFC 768, 791, 8200). */
const headerBytes: Readonly<Record<4 | 6, number>> = { 4: 28, 6: 48 };

/** Addresses, IPv6, the way out and what fits through it. */
export function checkNetwork(facts: HostFacts, need: RelayNeed): Check[] {
  return [checkPublicAddress(facts, need), checkIpv6(facts, need), checkMtu(facts), checkReversePath(facts)];
}

function isGlobal(address: string): boolean {
  return !localBlocks.some((block) => cidrContains(block, address));
}

function checkPublicAddress(facts: HostFacts, need: RelayNeed): Check {
  const check = { check: "public-address", group: "network" } as const;
  const outside = need.addresses.filter((address) => !isLoopback(address));
  const shown = outside.join(", ") || "loopback only";
  if (need.publicAddress !== undefined) {
    const isHere = facts.interfaces.some(({ address }) => address === need.publicAddress);
    const how = isHere ? "is on an interface" : `is on no interface here (1:1 NAT, or a name); bound: ${shown}`;
    return { ...check, status: "ok", found: `${need.publicAddress} ${how}` };
  }
  if (outside.length === 0) {
    return {
      ...check,
      status: "warning",
      found: "only loopback is bound: nobody outside this host can reach the relay",
      remedy: "Leave out --listen, or name an address that others can reach.",
    };
  }
  if (outside.some(isGlobal)) return { ...check, status: "ok", found: outside.filter(isGlobal).join(", ") };
  return {
    ...check,
    status: "warning",
    found: `no public address on any interface: ${shown}`,
    remedy: "If viewers come over the internet, name the address that they reach this host by.",
    command: "punchcast relay --public-address relay.example",
  };
}

function checkIpv6(_facts: HostFacts, need: RelayNeed): Check {
  const check = { check: "ipv6", group: "network" } as const;
  const found = need.addresses.filter((address) => addressFamily(address) === 6 && !isLoopback(address));
  if (found.length > 0) return { ...check, status: "ok", found: found.join(", ") };
  return { ...check, status: "unneeded", found: "none: viewers and senders need IPv4" };
}

function checkMtu({ defaultRoutes, platform }: HostFacts): Check {
  const check = { check: "mtu", group: "network" } as const;
  if (platform !== "linux") return { ...check, status: "unknown", found: `not read on ${platform}` };
  if (!defaultRoutes.ok) return { ...check, status: "unknown", found: defaultRoutes.reason };
  const [first] = defaultRoutes.value;
  if (first === undefined)
    return { ...check, status: "warning", found: "no default route: only neighbours are reached" };
  const unread = defaultRoutes.value.find(({ mtu }) => !mtu.ok);
  if (unread !== undefined && !unread.mtu.ok) {
    return { ...check, status: "unknown", found: `${unread.interface}: ${unread.mtu.reason}` };
  }
  const sizes = defaultRoutes.value.map((route) => ({ ...route, bytes: route.mtu.ok ? route.mtu.value : 0 }));
  const found = [...new Set(sizes.map((route) => `${route.interface} ${route.bytes} bytes`))].join(", ");
  const small = sizes.find(({ bytes }) => bytes < usualMtu);
  if (small === undefined) return { ...check, status: "ok", found };
  const payload = small.bytes - headerBytes[small.family];
  return {
    ...check,
    status: "warning",
    found: `${found}: larger packets are fragmented or lost`,
    remedy: `Let senders keep to ${payload} bytes of payload.`,
    command: `punchcast send FILE.mp4 URL --mtu ${Math.min(1400, payload)}`,
  };
}

function checkReversePath(facts: HostFacts): Check {
  const check = { check: "rp-filter", group: "network" } as const;
  if (facts.platform !== "linux") return { ...check, status: "unneeded", found: `not on ${facts.platform}` };
  const names = [...new Set(facts.interfaces.map(({ name }) => name))].filter((name) => name !== "lo");
  const all = readSwitch(facts, "net.ipv4.conf.all.rp_filter");
  if (all === undefined) return { ...check, status: "unknown", found: "net.ipv4.conf.all.rp_filter cannot be read" };
  // The larger of the two counts (ip-sysctl, rp_filter).
  const strict = names.filter((name) => Math.max(all, readSwitch(facts, `net.ipv4.conf.${name}.rp_filter`) ?? 0) === 1);
  if (strict.length === 0) return { ...check, status: "ok", found: "not strict on any interface" };
  const found = `strict on ${strict.join(", ")}`;
  if (names.length < 2) return { ...check, status: "ok", found: `${found}, the only one` };
  return {
    ...check,
    status: "warning",
    found: `${found}: packets that come in where no answer would go out are dropped`,
    remedy: "Make it loose if senders or viewers come in by more than one interface.",
    command: "sudo sysctl -w net.ipv4.conf.all.rp_filter=2",
  };
}
