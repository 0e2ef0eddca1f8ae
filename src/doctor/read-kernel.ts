import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { normalizeAddress } from "../core/address.ts";
import { systemErrorCode } from "../core/errors.ts";
import { decoded, malformed } from "../core/result.ts";
import type { Confinement, DefaultRoute, Fact, InterfaceAddress, TransmitQueue } from "./facts.ts";
import { attempt, capture } from "./run-command.ts";

/** Every address of every interface, IPv6 link-local ones left out: they name no host without an interface. */
export function readInterfaces(): InterfaceAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ address }) => {
      const normal = normalizeAddress(address);
      return normal === undefined || normal.startsWith("fe80:") ? [] : [{ name, address: normal }];
    }),
  );
}

/** The kernel switches that the checks read. */
export async function readSysctls(interfaces: readonly string[]): Promise<Map<string, Fact<string>>> {
  const fixed = [
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.core.netdev_max_backlog",
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv6.conf.all.forwarding",
  ].map((name) => [name, name.replaceAll(".", "/")] as const);
  // A name such as eth0.100 has dots of its own.
  const each = interfaces.map(
    (name) => [`net.ipv4.conf.${name}.rp_filter`, `net/ipv4/conf/${name}/rp_filter`] as const,
  );
  const read = [...fixed, ...each].map(async ([name, path]) => [name, await readText(`/proc/sys/${path}`)] as const);
  return new Map(await Promise.all(read));
}

/** Whether the switch could be written: it is opened for writing, and closed again. */
export async function readCanForward(): Promise<Fact<boolean>> {
  try {
    const file = await open("/proc/sys/net/ipv4/ip_forward", constants.O_WRONLY);
    await file.close();
    return decoded(true);
  } catch (error) {
    const code = systemErrorCode(error);
    return code === "EACCES" || code === "EPERM" || code === "EROFS" ? decoded(false) : malformed(String(error));
  }
}

/** The effective capabilities (proc_pid_status(5), CapEff). */
export async function readCapabilities(): Promise<Fact<bigint>> {
  const status = await readText("/proc/self/status");
  if (!status.ok) return status;
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(status.value)?.[1];
  return hex === undefined ? malformed("/proc/self/status names no capabilities") : decoded(BigInt(`0x${hex}`));
}

/** The soft limit of open files (proc_pid_limits(5)). */
export async function readOpenFiles(): Promise<Fact<number>> {
  const limits = await readText("/proc/self/limits");
  if (!limits.ok) return limits;
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits.value)?.[1];
  if (soft === undefined) return malformed("/proc/self/limits names no limit of open files");
  return decoded(soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft));
}

/** Where this process is shut in. */
export async function readConfinement(): Promise<Fact<Confinement>> {
  const users = await readText("/proc/self/uid_map");
  if (!users.ok) return users;
  // The kernel shows this switch in the first network namespace only (net/core/sysctl_net_core.c).
  const backlog = await attempt(() => readFile("/proc/sys/net/core/netdev_max_backlog"));
  return decoded({
    ownUsers: !/^\s*0\s+0\s+4294967295$/.test(users.value),
    ownNetwork: !backlog.ok,
    container: await findContainer(),
  });
}

async function findContainer(): Promise<string | undefined> {
  const signs = [
    ["/.dockerenv", "Docker"],
    ["/run/.containerenv", "Podman"],
  ] as const;
  for (const [path, name] of signs) if ((await attempt(() => readFile(path))).ok) return name;
  if (process.env.KUBERNETES_SERVICE_HOST !== undefined) return "Kubernetes";
  const systemd = await readText("/run/systemd/container");
  return systemd.ok ? systemd.value : undefined;
}

/** The best default route of each IP version, and what fits through its interface. */
export async function readDefaultRoutes(): Promise<Fact<readonly DefaultRoute[]>> {
  const [ipv4, ipv6] = await Promise.all([readText("/proc/net/route"), readText("/proc/net/ipv6_route")]);
  if (!ipv4.ok) return ipv4;
  const rows4 = ipv4.value.split("\n").map((line) => line.split(/\s+/));
  const rows6 = ipv6.ok ? ipv6.value.split("\n").map((line) => line.trim().split(/\s+/)) : [];
  const found = [
    // Iface Destination Gateway Flags RefCnt Use Metric Mask
    ...rows4
      .filter(([, to, , , , , , mask]) => to === "00000000" && mask === "00000000")
      .map((row) => ({ family: 4 as const, interface: row[0] ?? "", metric: Number(row[6]) })),
    // destination length source length hop metric references uses flags Iface
    ...rows6
      .filter(([to = "", length]) => /^0+$/.test(to) && length === "00")
      .map((row) => ({ family: 6 as const, interface: row[9] ?? "", metric: Number.parseInt(row[5] ?? "", 16) })),
  ].filter((route) => route.interface !== "lo");
  const best = ([4, 6] as const).flatMap(
    (family) => found.filter((route) => route.family === family).sort((a, b) => a.metric - b.metric)[0] ?? [],
  );
  return decoded(
    await Promise.all(
      best.map(async ({ family, interface: name }) => {
        // /sys may show another network namespace than this process's, so `ip` is asked first.
        const link = await capture("ip", ["link", "show", "dev", name]);
        return { family, interface: name, mtu: await readMtu(name, link), queue: readQueue(name, link) };
      }),
    ),
  );
}

function readQueue(name: string, link: Fact<string>): Fact<TransmitQueue> {
  if (!link.ok) return link;
  const [, discipline] = / qdisc (\S+)/.exec(link.value) ?? [];
  // Where it is left out it is 0: nothing waits.
  const length = Number(/ qlen (\d+)/.exec(link.value)?.[1] ?? 0);
  return discipline === undefined
    ? malformed(`ip does not tell the queue of ${name}`)
    : decoded({ discipline, length });
}

async function readMtu(name: string, link: Fact<string>): Promise<Fact<number>> {
  const shown = link.ok ? / mtu (\d+)/.exec(link.value)?.[1] : undefined;
  const text = shown === undefined ? await readText(`/sys/class/net/${name}/mtu`) : decoded(shown);
  return text.ok ? decoded(Number(text.value)) : text;
}

async function readText(path: string): Promise<Fact<string>> {
  const read = await attempt(() => readFile(path, "utf8"));
  return read.ok ? decoded(read.value.trim()) : malformed(`${path} cannot be read`);
}
