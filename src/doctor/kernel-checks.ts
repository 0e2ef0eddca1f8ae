import { addressFamily } from "../core/address.ts";
import { type Check, isLoopback, type RelayNeed } from "./check.ts";
import type { HostFacts } from "./facts.ts";

/** A kernel switch's number, `undefined` if it could not be read. */
export function readSwitch({ sysctls }: HostFacts, name: string): number | undefined {
  const fact = sysctls.get(name);
  return fact?.ok === true && /^\d+$/.test(fact.value) ? Number(fact.value) : undefined;
}

/** The switches that let the kernel forward, by the IP versions that the relay is reached by. */
function forwardingSwitches({ advertised }: HostFacts, need: RelayNeed): string[] {
  const outside = need.addresses.filter((address) => !isLoopback(address));
  const families = new Set(outside.map(addressFamily));
  return [
    ...(families.has(4) ? ["net.ipv4.ip_forward"] : []),
    ...(families.has(6) && advertised.length === 0 ? ["net.ipv6.conf.all.forwarding"] : []),
  ];
}

/** Whether the kernel forwards packets, or may be told to, and what IPv6 would lose by it. */
export function checkForwarding(facts: HostFacts, need: RelayNeed): Check[] {
  if (facts.platform !== "linux") return [];
  return [checkSwitches(facts, need), ...checkAdvertisements(facts, need)];
}

function checkAdvertisements({ advertised }: HostFacts, need: RelayNeed): Check[] {
  if (need.plane !== "nat" || advertised.length === 0) return [];
  return [
    {
      check: "router-advertisements",
      group: "firewall",
      status: "warning",
      found: `${advertised.join(", ")} would lose its IPv6 route if this host forwarded IPv6, which so stays in user space`,
      remedy: "Let it take router advertisements even so.",
      command: `sudo sysctl -w ${advertised.map((name) => `net/ipv6/conf/${name}/accept_ra=2`).join(" ")}`,
    },
  ];
}

function checkSwitches(facts: HostFacts, need: RelayNeed): Check {
  const check = { check: "forwarding", group: "firewall" } as const;
  const names = forwardingSwitches(facts, need);
  const unread = names.find((name) => readSwitch(facts, name) === undefined);
  const off = names.filter((name) => readSwitch(facts, name) === 0);
  const found = names.map((name) => `${name} = ${readSwitch(facts, name) ?? "?"}`).join(", ");
  if (off.length === 0 && unread === undefined) return { ...check, status: "ok", found: found || "nothing to forward" };
  if (need.plane === "userspace") return { ...check, status: "unneeded", found };
  if (unread !== undefined) return { ...check, status: "unknown", found: `${unread} cannot be read` };
  if (facts.canForward.ok && facts.canForward.value) {
    const what = "the plane switches it on at start and puts it back at stop";
    return { ...check, status: "ok", found: `${found}: ${what}` };
  }
  return {
    ...check,
    status: facts.canForward.ok ? "failed" : "unknown",
    found: `${found}, and this process ${facts.canForward.ok ? "may not change it" : `perhaps may not: ${facts.canForward.reason}`}`,
    remedy: "Switch forwarding on, or give the relay CAP_NET_ADMIN and a writable /proc/sys.",
    command: `sudo sysctl -w ${off.map((name) => `${name}=1`).join(" ")}`,
  };
}
