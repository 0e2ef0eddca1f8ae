import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { DoctorEvent } from "../../src/cli/render-doctor.ts";
import type { LabNode } from "../../src/lab/lab.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { needsLab, untilBound, withLab } from "../support/lab.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const tools = ["python3", "nft", "conntrack"];
const options = { ...(await needsLab(...tools)), timeout: 60_000 };
const iptablesOptions = { ...(await needsLab(...tools, "iptables-nft")), timeout: 60_000 };
const entry = fileURLToPath(new URL("../support/punchcast-entry.ts", import.meta.url));

type Found = Extract<DoctorEvent, { event: "check" }>;

interface Diagnosis {
  readonly code: number | null;
  readonly checks: readonly Found[];
  readonly summary: Extract<DoctorEvent, { event: "summary" }>;
  /** The check of that name; the test fails if it did not end like this. */
  expect(check: string, status: Found["status"]): Found;
}

/** Runs `punchcast doctor --json` on a host, behind the command `as` if there is one. */
async function doctor(node: LabNode, args: readonly string[], as: readonly string[] = []): Promise<Diagnosis> {
  const [command = "", ...rest] = [...as, process.execPath, entry, "doctor", "--json", ...args];
  const child = node.spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, "close");
  const events: DoctorEvent[] = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const checks = events.filter((event) => event.event === "check");
  const summary = events.at(-1);
  assert.ok(summary?.event === "summary", text);
  assert.equal(code, summary.works ? 0 : 3);
  return {
    code,
    checks,
    summary,
    expect(name, status) {
      const check = checks.find((candidate) => candidate.check === name);
      assert.equal(check?.status, status, `${name} in\n${text}`);
      assert.ok(check);
      return check;
    },
  };
}

/** Does what a check says. */
async function heed(node: LabNode, { command = "" }: Found): Promise<void> {
  await node.run("sh", ["-e", "-c", command.replaceAll("sudo ", "")]);
}

/** Hands a relay host to `use`, and the flags that keep its state apart. */
async function onRelay(
  use: (relay: LabNode, state: readonly string[], folder: string) => Promise<void>,
): Promise<void> {
  await withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false }), (lab) =>
      use(lab.host("relay"), ["--state", join(folder, "relay.json")], folder),
    ),
  );
}

test("doctor finds a relay's host fit, changes nothing there and sends nothing", options, async () => {
  await onRelay(async (relay, state, folder) => {
    await relay.run("nft", ["add table inet others { chain in { type filter hook input priority 0; }; }"]);
    // An IPv6 address becomes the host's own while this looks on.
    const look =
      "nft list ruleset; grep -E '^(Udp|Tcp|Icmp)' /proc/net/snmp; sysctl net.ipv4 net.ipv6 2>/dev/null | grep -v /random; ip addr | sed 's/ tentative//'";
    const before = await relay.run("sh", ["-c", look]);
    for (const plane of ["userspace", "nat"]) {
      const { code, checks, summary, expect } = await doctor(relay, [...state, "--plane", plane]);
      assert.equal(code, 0);
      // The ebpf plane depends on the kernel and on who runs the test, and is another test's.
      const others = summary.planes.filter((readiness) => readiness.plane !== "ebpf");
      assert.deepEqual(
        others.map(({ ready }) => ready),
        [true, true],
      );
      expect("ports", "ok");
      expect(`plane-${plane}`, "ok");
      // A warning where the machine itself is a container.
      const confinement = checks.find(({ check }) => check === "confinement");
      assert.match(confinement?.found ?? "", /network namespace of its own/);
      assert.match(expect("public-address", "warning").found, /10\.10\.10\.197/);
      assert.match(expect("mtu", "warning").found, /no default route/);
    }
    assert.deepEqual(await relay.run("sh", ["-c", look]), before);
    assert.deepEqual(await readdir(folder), []);
  });
});

test("doctor names who has the port", options, async () => {
  await onRelay(async (relay, state) => {
    const script = "import socket,time; s=socket.socket(2,2); s.bind(('', 9100)); time.sleep(60)";
    const holder = relay.spawn("python3", ["-c", script], { stdio: "ignore" });
    await untilBound(relay, [9100]);
    const taken = (await doctor(relay, state)).expect("ports", "failed");
    assert.match(taken.found, /:9100 .*in use by python3 \(pid \d+\)$/);
    const elsewhere = await doctor(relay, [...state, "--ingest-port", "9200"]);
    elsewhere.expect("ports", "ok");
    assert.equal(elsewhere.code, 0);
    const gone = once(holder, "exit");
    holder.kill("SIGKILL");
    await gone;
    const absent = await doctor(relay, [...state, "--listen", "10.10.10.99"]);
    assert.match(absent.expect("ports", "failed").remedy ?? "", /does not have that address/);
  });
});

test("doctor names the drop policies of nftables, and its remedies open them", options, async () => {
  await onRelay(async (relay, state) => {
    const table = `table inet mine {
      chain in { type filter hook input priority 0; policy drop; ct state established,related accept; iif lo accept; }
      chain through { type filter hook forward priority 0; policy drop; }
      chain nat { type nat hook prerouting priority -100; udp dport 9101 redirect to :53; }
    }`
      .replaceAll("; }", "\n}")
      .replaceAll("; ", "\n")
      .replaceAll("{ ", "{\n");
    await relay.run("nft", ["-f", "-"], { input: `${table}\n` });
    const userspace = await doctor(relay, state);
    const input = userspace.expect("firewall-input", "failed");
    assert.match(input.found, /nft table inet mine \(in\) may block UDP 9000, 9099-9102:/);
    userspace.expect("firewall-forward", "unneeded");
    assert.match(userspace.expect("nat-rules", "failed").found, /redirects UDP 9101:/);
    await heed(relay, input);
    await relay.run("nft", ["flush", "chain", "inet", "mine", "nat"]);
    assert.equal((await doctor(relay, state)).code, 0);

    const nat = await doctor(relay, [...state, "--plane", "nat"]);
    assert.equal(nat.code, 3);
    await heed(relay, nat.expect("firewall-forward", "failed"));
    assert.equal((await doctor(relay, [...state, "--plane", "nat"])).code, 0);
  });
});

test("doctor names the drop policies of iptables, and its remedies open them", iptablesOptions, async () => {
  await onRelay(async (relay, state) => {
    const rules = [
      "-P INPUT DROP",
      "-A INPUT -i lo -j ACCEPT",
      "-P FORWARD DROP",
      "-N DOCKER-USER",
      "-A FORWARD -j DOCKER-USER",
    ];
    for (const rule of rules) await relay.run("iptables-nft", rule.split(" "));
    const { code, expect } = await doctor(relay, [...state, "--plane", "nat"]);
    assert.equal(code, 3);
    const input = expect("firewall-input", "failed");
    const forward = expect("firewall-forward", "failed");
    assert.match(forward.found, /^Docker \(FORWARD\)/);
    assert.match(forward.command ?? "", /iptables -I DOCKER-USER/);
    const asNft = (check: Found): Found => ({
      ...check,
      command: check.command?.replaceAll("iptables ", "iptables-nft ") ?? "",
    });
    await heed(relay, asNft(input));
    await heed(relay, asNft(forward));
    assert.equal((await doctor(relay, [...state, "--plane", "nat"])).code, 0);
  });
});

test("doctor says what the nat plane lacks", options, async () => {
  await onRelay(async (relay, state) => {
    const nat = [...state, "--plane", "nat"];
    // The lab's own view of the file system: the host keeps its tools and its /proc.
    await relay.run("sh", ["-e", "-c", "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys"]);
    const fixed = await doctor(relay, nat);
    assert.match(fixed.expect("forwarding", "failed").command ?? "", /sysctl -w net\.ipv4\.ip_forward=1/);
    assert.match(fixed.expect("plane-nat", "failed").found, /may not change it/);
    await relay.run("umount", ["/proc/sys"]);

    await relay.run("sh", [
      "-e",
      "-c",
      'PATH="$PATH:/usr/sbin:/sbin"; mount --bind /dev/null "$(command -v conntrack)"',
    ]);
    const without = await doctor(relay, nat);
    assert.match(without.expect("tools", "failed").found, /missing: .*conntrack/);
    const missing = without.expect("plane-nat", "failed");
    assert.match(missing.found, /conntrack is missing/);
    assert.equal(missing.command, "sudo apt-get install conntrack");
    assert.equal((await doctor(relay, state)).code, 0);
  });
});

test("without rights doctor says what it cannot see, and that the userspace plane needs none", options, async () => {
  await onRelay(async (relay, state, folder) => {
    const nobody = ["unshare", "--user", "--map-user=65534", "--map-group=65534"];
    const { code, expect, summary } = await doctor(relay, state, nobody);
    assert.equal(code, 0);
    expect("firewall-input", "unknown");
    assert.match(expect("rights", "ok").found, /^user 65534/);
    assert.equal(summary.planes[1]?.reason, "CAP_NET_ADMIN is missing");
    const nat = await doctor(relay, [...state, "--plane", "nat"], nobody);
    assert.equal(nat.code, 3);
    nat.expect("rights", "failed");
    nat.expect("plane-nat", "failed");

    const file = join(folder, "relay.json");
    await writeFile(file, "not JSON", { mode: 0o600 });
    assert.match((await doctor(relay, state)).expect("state-file", "failed").remedy ?? "", /damaged/);
    await writeFile(file, '{"version":1,"streams":{}}');
    await chmod(file, 0o644);
    const open = (await doctor(relay, state)).expect("state-file", "warning");
    await heed(relay, open);
    (await doctor(relay, state)).expect("state-file", "ok");
  });
});
