import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { addressFamily, normalizeAddress } from "../../core/address.ts";
import { readSwitch } from "./switches.ts";

/** The host's interfaces other than loopback that have an address, and what the kernel can forward between them. */
export interface HostNetwork {
  readonly interfaces: readonly string[];
  readonly families: readonly (4 | 6)[];
  /** Interfaces whose IPv6 routes come from router advertisements, which a host that forwards does not accept. */
  readonly advertised: readonly string[];
}

/** Looks at the host's network. IPv6 counts if there is an address beyond link-local and forwarding it breaks no route. */
export async function readHostNetwork(): Promise<HostNetwork> {
  const outside = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.filter(({ internal }) => !internal).map(({ address }) => ({ name, address })),
  );
  const usable = outside.filter(({ address }) => !address.startsWith("fe80:"));
  const has6 = usable.some(({ address }) => addressFamily(address) === 6);
  const forwards6 = (await readSwitch("net/ipv6/conf/all/forwarding")) === "1";
  const advertised = has6 && !forwards6 ? await advertisedInterfaces() : [];
  return {
    interfaces: [...new Set(usable.map(({ name }) => name))],
    families: has6 && advertised.length === 0 ? [4, 6] : [4],
    advertised,
  };
}

/** The host's own addresses, as they are now, each once. */
export function listLocalAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
  return [...new Set(all.flatMap(({ address }) => normalizeAddress(address) ?? []))];
}

/** Tells the host's own addresses, as they are now. */
export function readLocalAddresses(): (address: string) => boolean {
  const own = new Set(listLocalAddresses());
  return (address) => own.has(address) || address.startsWith("127.");
}

/** RTF_ADDRCONF in /proc/net/ipv6_route: a route that an advertisement made. */
const fromAdvertisement = 0x0004_0000;

async function advertisedInterfaces(): Promise<string[]> {
  const table = await readFile("/proc/net/ipv6_route", "utf8").catch(() => "");
  const names = new Set<string>();
  for (const line of table.split("\n")) {
    const [, prefixLength, , , , , , , flags = "0", name] = line.trim().split(/\s+/);
    const isDefault = prefixLength === "00" && (Number.parseInt(flags, 16) & fromAdvertisement) !== 0;
    // 2 accepts advertisements even while forwarding.
    if (isDefault && name !== undefined && (await readSwitch(`net/ipv6/conf/${name}/accept_ra`)) !== "2")
      names.add(name);
  }
  return [...names];
}
