import assert from "node:assert/strict";
import { test } from "node:test";
import { decoded, malformed } from "../../src/core/result.ts";
import { type Check, formatPorts } from "../../src/doctor/check.ts";
import { examine } from "../../src/doctor/examine.ts";
import type { DefaultRoute, HostFacts, PortFact } from "../../src/doctor/facts.ts";
import { checkOf, free, goodFacts, goodNeed, sysctls } from "./support.ts";

test("a good host has nothing but ok, for any plane", () => {
  for (const plane of ["userspace", "nat", "ebpf", "auto"] as const) {
    const { checks, works, counts, planes } = examine(goodFacts, { ...goodNeed, plane });
    assert.deepEqual(
      checks.filter(({ status }) => status !== "ok"),
      [],
    );
    assert.equal(works, true);
    assert.equal(counts.ok, checks.length);
    assert.deepEqual(planes, [
      { plane: "userspace", ready: true },
      { plane: "nat", ready: true },
      { plane: "ebpf", ready: true },
    ]);
  }
});

test("what cannot be read is unknown and keeps no relay from working", () => {
  const unread = malformed("it is hidden");
  const facts: HostFacts = {
    ...goodFacts,
    capabilities: unread,
    confinement: unread,
    sysctls: new Map(),
    canForward: unread,
    firewall: unread,
    defaultRoutes: unread,
    openFiles: unread,
    state: unread,
  };
  const { checks, works } = examine(facts, goodNeed);
  assert.equal(works, true);
  const unknown = checks.filter(({ status }) => status === "unknown").map(({ check }) => check);
  const expected = ["confinement", "rights", "mtu", "rp-filter", "backlog", "open-files", "firewall-input"];
  assert.deepEqual(unknown, [...expected, "firewall-forward", "nat-rules", "state-file"]);
  assert.match(checkOf("firewall-input", { firewall: unread }).command ?? "", /^sudo .* doctor$/);
  assert.equal(checkOf("forwarding", { sysctls: new Map() }, { plane: "nat" }).status, "unknown");
});

test("other systems than Linux run the userspace plane", () => {
  const platform = "darwin";
  const { works, planes } = examine({ ...goodFacts, platform }, goodNeed);
  assert.equal(works, true);
  assert.equal(planes.find(({ plane }) => plane === "nat")?.reason, "it needs Linux, not darwin");
  assert.equal(examine({ ...goodFacts, platform }, { ...goodNeed, plane: "nat" }).works, false);
});

test("an old Node fails", () => {
  assert.equal(checkOf("node", { nodeVersion: "22.18.0" }).status, "ok");
  for (const nodeVersion of ["22.17.9", "20.20.2"]) assert.equal(checkOf("node", { nodeVersion }).status, "failed");
});

test("a clock in the wrong year is a warning, and fails where keys end at a time of day", () => {
  for (const wallMs of [0, Date.UTC(2100, 0, 1)]) {
    assert.equal(checkOf("clock", { wallMs }).status, "warning");
    assert.equal(checkOf("clock", { wallMs }, { hasTimedKeys: true }).status, "failed");
  }
});

test("a container with a network of its own is named, with what to do", () => {
  const inside = { ownUsers: true, ownNetwork: true, container: "Podman" };
  const check = checkOf("confinement", { confinement: decoded(inside) });
  assert.equal(check.status, "warning");
  assert.match(check.found, /in Podman; network namespace.*; user namespace/);
  assert.equal(check.command, "podman run --network host …");
  const lab = { ...inside, container: undefined };
  assert.equal(checkOf("confinement", { confinement: decoded(lab) }).status, "ok");
});

test("rights and tools matter to the plane that needs them", () => {
  const none = { capabilities: decoded(0n) };
  assert.equal(checkOf("rights", none).status, "ok");
  const lacking = checkOf("rights", none, { plane: "nat" });
  assert.equal(lacking.status, "failed");
  assert.match(lacking.command ?? "", /--ambient-caps \+net_admin/);
  assert.match(
    checkOf("rights", { capabilities: decoded((1n << 12n) | (1n << 39n)) }).found,
    /CAP_NET_ADMIN, CAP_BPF$/,
  );

  const tools = new Map([["iptables", "1.8.9 (legacy)"]] as const);
  assert.equal(checkOf("tools", { tools }).status, "unneeded");
  const missing = checkOf("tools", { tools }, { plane: "nat" });
  assert.equal(missing.status, "failed");
  assert.match(missing.found, /iptables 1\.8\.9 \(legacy\); missing: nft, conntrack/);
  assert.equal(missing.command, "sudo apt-get install conntrack");
});

test("the ebpf plane says what its own trial found", () => {
  const ebpf = (facts: Partial<HostFacts>): { ready: boolean; reason?: string } | undefined =>
    examine({ ...goodFacts, ...facts }, goodNeed).planes.find(({ plane }) => plane === "ebpf");
  assert.equal(ebpf({ capabilities: decoded(1n << 12n) })?.reason, "CAP_NET_ADMIN or CAP_BPF is missing");
  assert.equal(ebpf({ ebpfPlane: malformed("This kernel cannot.") })?.reason, "This kernel cannot.");
  assert.equal(ebpf({})?.ready, true);
});

test("the nat plane names the first thing that is missing, with the remedy", () => {
  const reason = (facts: Partial<HostFacts>): string | undefined =>
    examine({ ...goodFacts, ...facts }, goodNeed).planes.find(({ plane }) => plane === "nat")?.reason;
  assert.equal(reason({ tools: new Map() }), "nft is missing");
  assert.equal(reason({ tools: new Map([["iptables", ""]]), capabilities: decoded(0n) }), "conntrack is missing");
  assert.equal(reason({ capabilities: decoded(0n) }), "CAP_NET_ADMIN is missing");
  assert.match(reason({ natPlane: malformed("This kernel cannot.") }) ?? "", /^This kernel cannot\.$/);
  const off = { sysctls: sysctls({ "net.ipv4.ip_forward": "0" }), canForward: decoded(false) };
  assert.match(reason(off) ?? "", /net\.ipv4\.ip_forward = 0.*may not change it/);
  const facts = { capabilities: decoded(0n) };
  assert.equal(checkOf("plane-nat", facts).status, "unneeded");
  assert.equal(checkOf("plane-nat", facts, { plane: "nat" }).status, "failed");
});

test("forwarding that is off is switched on by the plane where that is allowed", () => {
  const off = { sysctls: sysctls({ "net.ipv4.ip_forward": "0", "net.ipv6.conf.all.forwarding": "0" }) };
  assert.equal(checkOf("forwarding", off).status, "unneeded");
  const allowed = checkOf("forwarding", off, { plane: "nat" });
  assert.equal(allowed.status, "ok");
  assert.match(allowed.found, /puts it back at stop/);
  const refused = checkOf("forwarding", { ...off, canForward: decoded(false) }, { plane: "nat" });
  assert.equal(refused.status, "failed");
  assert.equal(refused.command, "sudo sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  const onlyIpv4 = { plane: "nat", addresses: ["8.8.4.4"] } as const;
  const ipv6Off = { sysctls: sysctls({ "net.ipv6.conf.all.forwarding": "0" }), canForward: decoded(false) };
  assert.equal(checkOf("forwarding", ipv6Off, onlyIpv4).status, "ok");
});

test("an IPv6 route that forwarding would break is named, and IPv6 left as it is", () => {
  const facts = {
    advertised: ["eth0"],
    sysctls: sysctls({ "net.ipv6.conf.all.forwarding": "0" }),
    canForward: decoded(false),
  };
  const check = checkOf("router-advertisements", facts, { plane: "nat" });
  assert.deepEqual([check.status, check.command], ["warning", "sudo sysctl -w net/ipv6/conf/eth0/accept_ra=2"]);
  assert.equal(checkOf("forwarding", facts, { plane: "nat" }).status, "ok");
});

test("a strict rp_filter is a warning where there is more than one interface", () => {
  const strict = { sysctls: sysctls({ "net.ipv4.conf.all.rp_filter": "1" }) };
  assert.equal(checkOf("rp-filter", strict).status, "ok");
  const two = { ...strict, interfaces: [...goodFacts.interfaces, { name: "eth1", address: "10.0.0.1" }] };
  assert.match(checkOf("rp-filter", two).found, /strict on eth0, eth1/);
  assert.equal(checkOf("rp-filter", two).status, "warning");
  // Loose is the larger number, and the larger of the two counts.
  const loose = { ...two, sysctls: sysctls({ "net.ipv4.conf.all.rp_filter": "2" }) };
  assert.equal(checkOf("rp-filter", loose).status, "ok");
});

test("a host without a public address is told of --public-address", () => {
  const addresses = ["127.0.0.1", "10.1.2.3", "fd00::1"];
  const hidden = checkOf("public-address", {}, { addresses });
  assert.equal(hidden.status, "warning");
  assert.match(hidden.command ?? "", /--public-address/);
  assert.equal(checkOf("public-address", {}, { addresses, publicAddress: "8.8.8.8" }).status, "ok");
  assert.match(checkOf("public-address", {}, { publicAddress: "8.8.4.4" }).found, /is on an interface/);
  assert.match(checkOf("public-address", {}, { addresses: ["127.0.0.1"] }).found, /only loopback/);
  for (const address of ["100.64.0.1", "172.31.0.1", "192.168.1.1", "169.254.1.1", "fd12::1"]) {
    assert.equal(checkOf("public-address", {}, { addresses: [address] }).status, "warning", address);
  }
  for (const address of ["172.32.0.1", "100.128.0.1", "2a00::1"]) {
    assert.equal(checkOf("public-address", {}, { addresses: [address] }).status, "ok", address);
  }
  assert.equal(checkOf("ipv6", {}, { addresses }).found, "fd00::1");
  assert.equal(checkOf("ipv6", {}, { addresses: ["8.8.4.4", "::1"] }).status, "unneeded");
});

test("a small MTU is a warning with the payload that fits", () => {
  const queue = decoded({ discipline: "noqueue", length: 1_000 });
  const route = (family: 4 | 6, mtu: number): DefaultRoute => ({ family, interface: "wg0", mtu: decoded(mtu), queue });
  const small = checkOf("mtu", { defaultRoutes: decoded([route(4, 1420)]) });
  assert.equal(small.status, "warning");
  assert.match(small.remedy ?? "", /1392 bytes of payload/);
  assert.match(checkOf("mtu", { defaultRoutes: decoded([route(6, 1280)]) }).command ?? "", /--mtu 1232$/);
  assert.match(checkOf("mtu", { defaultRoutes: decoded([]) }).found, /no default route/);
});

test("ports in use are named with who has them, one sentence for all", () => {
  const taken = (port: number, holder?: string): PortFact => ({
    address: "8.8.4.4",
    port,
    trial: { free: false, code: "PORT_IN_USE", message: "in use", holder },
  });
  const check = checkOf("ports", { ports: [taken(9099, "python3 (pid 7)"), taken(9100)] });
  assert.equal(check.status, "failed");
  assert.equal(check.found, "8.8.4.4:9099 (and 1 more) is in use by python3 (pid 7)");
  assert.equal(check.command, "punchcast relay --ingest-port 10099");
  assert.equal(checkOf("ports", { ports: [taken(9000)] }).command, "punchcast relay --punch-port 10000");
  const trial = { free: false, code: "NO_PRIVILEGE", message: "Take a port above 1023.", holder: undefined } as const;
  const low = checkOf("ports", { ports: [{ address: "8.8.4.4", port: 80, trial }] });
  assert.deepEqual([low.status, low.remedy], ["failed", "Take a port above 1023."]);
});

test("small buffers, a short backlog and few files are named with the line that changes them", () => {
  const trial = { ...free, receiveBytes: 212_992 } as const;
  const small = checkOf("socket-buffers", { ports: [{ address: "8.8.4.4", port: 9000, trial }] });
  assert.equal(small.status, "warning");
  assert.equal(small.command, "sudo sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304");
  const unbound = { ports: [], sysctls: sysctls({ "net.core.wmem_max": "212992" }) };
  assert.match(checkOf("socket-buffers", unbound).found, /^208 KiB granted of 4096 KiB/);
  assert.equal(checkOf("socket-buffers", { ports: [], sysctls: new Map() }).status, "unknown");

  const backlog = checkOf("backlog", { sysctls: sysctls({ "net.core.netdev_max_backlog": "300" }) });
  assert.equal(backlog.command, "sudo sysctl -w net.core.netdev_max_backlog=1000");

  assert.equal(checkOf("open-files", { openFiles: decoded(9 + 64) }).status, "ok");
  const few = checkOf("open-files", { openFiles: decoded(9 + 63) });
  assert.deepEqual([few.status, few.command], ["failed", "ulimit -n 73"]);
});

test("where the kernel clones, queues are told how many viewers' frames they hold, with the line that widens them", () => {
  const clones = { plane: "ebpf" } as const;
  const short = { sysctls: sysctls({ "net.core.netdev_max_backlog": "1000" }) };
  const backlog = checkOf("backlog", short, clones);
  assert.deepEqual(
    [backlog.status, backlog.command],
    ["warning", "sudo sysctl -w net.core.netdev_max_backlog=13000"],
    "Linux's own default",
  );
  assert.match(backlog.found, /^net.core.netdev_max_backlog = 1000: frames of 13 packets to 76 viewers; /);
  assert.equal(
    checkOf("backlog", { sysctls: sysctls({ "net.core.netdev_max_backlog": "1300" }) }, clones).status,
    "ok",
  );
  assert.equal(checkOf("backlog", short, { plane: "auto" }).status, "warning");
  assert.equal(checkOf("backlog", { ...short, ebpfPlane: malformed("no") }, { plane: "auto" }).status, "ok");

  const queue = (discipline: string, length = 1_000): Check =>
    checkOf(
      "transmit-queue",
      {
        defaultRoutes: decoded([
          { family: 4, interface: "eth0", mtu: decoded(1500), queue: decoded({ discipline, length }) },
        ]),
      },
      clones,
    );
  assert.equal(queue("fq_codel").found, "eth0 queues 10240 packets (fq_codel): frames of 13 packets to 787 viewers");
  assert.deepEqual(
    [queue("pfifo_fast").status, queue("mq").command],
    ["warning", "sudo ip link set dev eth0 txqueuelen 13000"],
  );
  assert.equal(queue("mq", 1_300).status, "ok");
  assert.equal(queue("noqueue").status, "ok");
});

test("a state file that others can read, that is damaged or cannot be written", () => {
  const sound = { mode: 0o600, fault: undefined, canBeWritten: true };
  const open = checkOf("state-file", { state: decoded({ ...sound, mode: 0o644 }) });
  assert.deepEqual([open.status, open.command], ["warning", "chmod 600 /var/lib/punchcast/relay.json"]);
  const strange = checkOf("state-file", { state: decoded({ ...sound, mode: 0o640 }) }, { statePath: "/tmp/it's" });
  assert.equal(strange.command, "chmod 600 '/tmp/it'\\''s'");
  const damaged = checkOf("state-file", { state: decoded({ ...sound, fault: "It is damaged." }) });
  assert.deepEqual([damaged.status, damaged.remedy], ["failed", "It is damaged."]);
  assert.equal(checkOf("state-file", { state: decoded({ ...sound, canBeWritten: false }) }).status, "failed");
  const fresh = checkOf("state-file", { state: decoded({ ...sound, mode: undefined }) });
  assert.deepEqual([fresh.status, fresh.found.endsWith("will be made")], ["ok", true]);
  assert.equal(checkOf("state-file", {}, { statePath: undefined }).status, "unneeded");
});

test("ports are written as runs", () => {
  assert.equal(formatPorts([9100, 9000, 9099, 9100]), "9000, 9099-9100");
  assert.equal(formatPorts([9099, 9100], ":", ","), "9099:9100");
});
