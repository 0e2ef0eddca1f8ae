import assert from "node:assert/strict";
import { decoded } from "../../src/core/result.ts";
import type { Check, RelayNeed } from "../../src/doctor/check.ts";
import { examine } from "../../src/doctor/examine.ts";
import type { HostFacts, PortTrial } from "../../src/doctor/facts.ts";

/** A server on the internet with all that Punchcast could wish for. */
export const goodNeed: RelayNeed = {
  plane: "userspace",
  addresses: ["127.0.0.1", "8.8.4.4", "2a00:1450::1"],
  publicAddress: undefined,
  ports: [
    { port: 9000, purpose: "Punch port (--punch-port)" },
    { port: 9099, purpose: "Ingest port of stream 'live' (--ingest-port)" },
    { port: 9100, purpose: "Ingest port of stream 'live' (--ingest-port)" },
  ],
  bufferBytes: 4 << 20,
  hasTimedKeys: false,
  statePath: "/var/lib/punchcast/relay.json",
};

export const free: PortTrial = { free: true, receiveBytes: 4 << 20, sendBytes: 4 << 20 };

export const goodFacts: HostFacts = {
  nodeVersion: "24.21.0",
  platform: "linux",
  kernel: "6.1.0",
  wallMs: Date.UTC(2026, 10, 22),
  uid: 1000,
  capabilities: decoded((1n << 12n) | (1n << 39n)),
  confinement: decoded({ ownUsers: false, ownNetwork: false, container: undefined }),
  tools: new Map([
    ["nft", "1.0.6"],
    ["conntrack", "1.4.7"],
    ["ip", "6.1.0"],
  ]),
  sysctls: sysctls({}),
  canForward: decoded(true),
  firewall: decoded([]),
  natPlane: decoded(true),
  ebpfPlane: decoded(true),
  advertised: [],
  interfaces: [
    { name: "lo", address: "127.0.0.1" },
    { name: "eth0", address: "8.8.4.4" },
    { name: "eth0", address: "2a00:1450::1" },
  ],
  defaultRoutes: decoded([
    { family: 4, interface: "eth0", mtu: decoded(1500), queue: decoded({ discipline: "fq_codel", length: 1000 }) },
  ]),
  openFiles: decoded(1024),
  ports: goodNeed.ports.map(({ port }) => ({ address: "8.8.4.4", port, trial: free })),
  state: decoded({ mode: 0o600, fault: undefined, canBeWritten: true }),
};

/** Kernel switches of a good host with some changed. */
export function sysctls(changed: Readonly<Record<string, string>>): HostFacts["sysctls"] {
  const values = {
    "net.core.rmem_max": "4194304",
    "net.core.wmem_max": "4194304",
    "net.core.netdev_max_backlog": "13000",
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.eth0.rp_filter": "1",
    ...changed,
  };
  return new Map(Object.entries(values).map(([name, value]) => [name, decoded(value)]));
}

/** One check on a good host that differs in some facts and needs. */
export function checkOf(name: string, facts: Partial<HostFacts>, need: Partial<RelayNeed> = {}): Check {
  const { checks } = examine({ ...goodFacts, ...facts }, { ...goodNeed, ...need });
  const check = checks.find((candidate) => candidate.check === name);
  assert.ok(check, `no check is called ${name}`);
  return check;
}
