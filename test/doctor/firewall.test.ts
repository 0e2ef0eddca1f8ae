import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decoded } from "../../src/core/result.ts";
import type { Check, RelayNeed } from "../../src/doctor/check.ts";
import type { FirewallChain } from "../../src/doctor/firewall.ts";
import { parseIptablesSave } from "../../src/doctor/iptables-rules.ts";
import { parseNftRuleset } from "../../src/doctor/nft-ruleset.ts";
import { checkOf } from "./support.ts";

const onlyIpv4: Partial<RelayNeed> = { addresses: ["8.8.4.4"] };

/** The check `name` on a host with these iptables rules, reached by IPv4. */
function withIptables(name: string, text: string, need: Partial<RelayNeed> = {}): Check {
  return checkOf(name, { firewall: decoded(parseIptablesSave(text, "ip")) }, { ...onlyIpv4, ...need });
}

/** The same with an nft listing's chains and rules, each as [chain, ...expressions]. */
function withNft(
  name: string,
  base: object,
  rules: readonly (readonly [string, ...object[]])[],
  need = onlyIpv4,
): Check {
  const of = { family: "inet", table: "filter" };
  const names = [...new Set(rules.map(([chain]) => chain))].filter((chain) => chain !== "base");
  const entries = [
    { chain: { ...of, name: "base", type: "filter", ...base } },
    ...names.map((chain) => ({ chain: { ...of, name: chain } })),
    ...rules.map(([chain, ...expr]) => ({ rule: { ...of, chain, expr } })),
  ];
  const parsed = parseNftRuleset(JSON.stringify({ nftables: entries }));
  assert.ok(parsed.ok);
  return checkOf(name, { firewall: decoded(parsed.value.chains) }, need);
}

const drop = { hook: "input", policy: "drop" };
const match = (left: object, right: unknown, op = "=="): object => ({ match: { op, left, right } });
const dport = { payload: { protocol: "udp", field: "dport" } };
const all = { set: [9000, { range: [9099, 9102] }] };

const ufw = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
:ufw-user-input - [0:0]
:ufw-reject-input - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-reject-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m limit --limit 3/min -j LOG --log-prefix "[UFW BLOCK] "
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -m comment --comment "for -j ACCEPT 9000" -j ACCEPT
COMMIT
`;

test("ufw that lets nothing in is named, with the line that opens the ports", () => {
  const check = withIptables("firewall-input", ufw);
  assert.equal(check.status, "failed");
  assert.match(check.found, /^ufw \(INPUT\) may block UDP 9000, 9099-9100:/);
  assert.equal(check.command, "sudo ufw allow 9000,9099:9100/udp");
});

test("ufw with the ports open is ok, with one missing it is that one", () => {
  const rule = (ports: string): string => `-A ufw-user-input -p udp -m multiport --dports ${ports} -j ACCEPT\nCOMMIT`;
  assert.equal(withIptables("firewall-input", ufw.replace("COMMIT", rule("9000,9099:9102"))).status, "ok");
  const missing = withIptables("firewall-input", ufw.replace("COMMIT", rule("9099:9102")));
  assert.equal(missing.command, "sudo ufw allow 9000/udp");
});

test("a port that is open to some sources only is a warning", () => {
  const some = "-A ufw-user-input -s 192.0.2.0/24 -p udp -m multiport --dports 9000,9099:9102 -j ACCEPT\nCOMMIT";
  const check = withIptables("firewall-input", ufw.replace("COMMIT", some));
  assert.equal(check.status, "warning");
  assert.match(check.found, /under some conditions only/);
});

test("a block list in front of an open port is its maker's business", () => {
  const blocklist = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 192.0.2.7/32 -j DROP\nCOMMIT\n";
  assert.equal(withIptables("firewall-input", blocklist).status, "ok");
  const negated = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp ! -i lo -j DROP\nCOMMIT\n";
  assert.equal(withIptables("firewall-input", negated).status, "failed");
  assert.equal(withIptables("firewall-input", negated.replace("! ", "")).status, "ok");
});

test("blocked over IPv6 alone is a warning that says so", () => {
  const firewall = decoded(parseIptablesSave("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", "ip6"));
  const check = checkOf("firewall-input", { firewall });
  assert.equal(check.status, "warning");
  assert.match(check.found, /over IPv6 \(not over the other\)/);
  assert.match(check.command ?? "", /^sudo ip6tables -I INPUT -p udp -m multiport --dports 9000,9099:9100 -j ACCEPT$/);
  assert.equal(checkOf("firewall-input", { firewall }, onlyIpv4).status, "ok");
});

const docker = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p udp -m udp --dport 9000 -j DNAT --to-destination 172.17.0.2:9000
COMMIT
`;

test("Docker's FORWARD policy matters to the nat plane", () => {
  assert.equal(withIptables("firewall-forward", docker).status, "unneeded");
  const check = withIptables("firewall-forward", docker, { plane: "nat" });
  assert.equal(check.status, "failed");
  assert.match(check.found, /^Docker \(FORWARD\)/);
  assert.equal(
    check.command,
    "sudo iptables -I DOCKER-USER -p udp -m conntrack --ctorigdstport 9000 -j ACCEPT && " +
      "sudo iptables -I DOCKER-USER -p udp -m conntrack --ctorigdstport 9099:9100 -j ACCEPT",
  );
  const opened = docker.replace(
    "-A DOCKER-USER",
    "-A DOCKER-USER -p udp -m conntrack --ctorigdstport 9000:9100 -j ACCEPT\n-A DOCKER-USER",
  );
  assert.equal(withIptables("firewall-forward", opened, { plane: "nat" }).status, "ok");
  const byState = opened.replace("--ctorigdstport 9000:9100", "--ctstate DNAT");
  assert.equal(withIptables("firewall-forward", byState, { plane: "nat" }).status, "ok");
});

test("a port that a container publishes is named; Punchcast's own rules are not", () => {
  const check = withIptables("nat-rules", docker);
  assert.equal(check.status, "warning");
  assert.match(check.found, /^Docker redirects UDP 9000 under some conditions/);
  assert.equal(check.command, "sudo iptables-save -t nat");
  const plain =
    "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 9099 -j REDIRECT --to-ports 53\nCOMMIT";
  assert.equal(withIptables("nat-rules", plain).status, "failed");
  const own = plain.replace("-j", "-m comment --comment punch -j");
  assert.equal(withIptables("nat-rules", own).status, "ok");
});

test("nft: sets, ranges, bounds and protocols let ports in", () => {
  const accept = { accept: null };
  const opening = [
    [match(dport, all), accept],
    [match(dport, 1024, ">="), { counter: { packets: 0 } }, accept],
    [match(dport, 22, "!="), accept],
    [match({ meta: { key: "l4proto" } }, { set: ["tcp", "udp"] }), accept],
    [match({ payload: { protocol: "ip", field: "protocol" } }, "udp"), accept],
    [match({ meta: { key: "l4proto" } }, "udp"), match({ payload: { protocol: "th", field: "dport" } }, all), accept],
    [match({ ct: { key: "state" } }, ["new", "untracked"], "in"), match(dport, all), accept],
    [{ vmap: { key: { ct: { key: "state" } }, data: { set: [["new", accept]] } } }],
    [match({ fib: { result: "type", flags: ["daddr"] } }, "local"), accept],
  ];
  for (const expr of opening) {
    assert.equal(withNft("firewall-input", drop, [["base", ...expr]]).status, "ok", JSON.stringify(expr));
  }
  const closing = [
    [match(dport, { set: [9000, 9099] }), accept],
    [match(dport, 9000, "<="), accept],
    [match({ payload: { protocol: "tcp", field: "dport" } }, all), accept],
    [match({ meta: { key: "iifname" } }, "lo"), accept],
    [match({ ct: { key: "state" } }, ["established", "related"], "in"), accept],
    [match({ payload: { protocol: "ip6", field: "nexthdr" } }, "udp"), accept],
    [match({ fib: { result: "type", flags: ["daddr"] } }, "local", "!="), accept],
  ];
  for (const expr of closing) {
    assert.equal(withNft("firewall-input", drop, [["base", ...expr]]).status, "failed", JSON.stringify(expr));
  }
  const limited = [
    [match({ meta: { key: "iifname" } }, "eth0"), accept],
    [{ xt: { type: "match", name: "multiport" } }, accept],
    [match({ payload: { protocol: "ip", field: "saddr" } }, { prefix: { addr: "10.0.0.0", len: 8 } }), accept],
    [match(dport, "@unknown"), accept],
  ];
  for (const expr of limited) {
    assert.equal(withNft("firewall-input", drop, [["base", ...expr]]).status, "warning", JSON.stringify(expr));
  }
});

test("nft: named sets are looked up, and the remedy names the chain", () => {
  const of = { family: "inet", table: "filter" };
  const listing = (elem: unknown): string =>
    JSON.stringify({
      nftables: [
        { set: { ...of, name: "open", elem } },
        { chain: { ...of, name: "in", type: "filter", ...drop } },
        { rule: { ...of, chain: "in", expr: [match(dport, "@open"), { accept: null }] } },
      ],
    });
  const check = (elem: unknown): Check => {
    const parsed = parseNftRuleset(listing(elem));
    assert.ok(parsed.ok);
    return checkOf("firewall-input", { firewall: decoded(parsed.value.chains) });
  };
  assert.equal(check([9000, { range: [9099, 9102] }]).status, "ok");
  assert.equal(check([{ elem: { val: 9000, comment: "x" } }, 9099, 9100]).status, "ok");
  const blocked = check([9000]);
  assert.match(blocked.found, /^nft table inet filter \(in\) may block UDP 9099-9100:/);
  assert.equal(blocked.command, "sudo nft insert rule inet filter in udp dport '{ 9099-9100 }' accept");
});

test("firewalld: zones are followed, and firewall-cmd opens the ports", () => {
  const of = { family: "inet", table: "firewalld" };
  const listing = (ports: unknown): string =>
    JSON.stringify({
      nftables: [
        { chain: { ...of, name: "filter_INPUT", type: "filter", hook: "input", policy: "accept" } },
        { chain: { ...of, name: "filter_FORWARD", type: "filter", hook: "forward", policy: "accept" } },
        { chain: { ...of, name: "filter_IN_public" } },
        { rule: { ...of, chain: "filter_INPUT", expr: [match({ meta: { key: "iifname" } }, "lo"), { accept: null }] } },
        { rule: { ...of, chain: "filter_INPUT", expr: [{ goto: { target: "filter_IN_public" } }] } },
        { rule: { ...of, chain: "filter_IN_public", expr: [match(dport, ports), { accept: null }] } },
        { rule: { ...of, chain: "filter_IN_public", expr: [{ reject: { type: "icmpx", expr: "admin-prohibited" } }] } },
        {
          rule: {
            ...of,
            chain: "filter_FORWARD",
            expr: [match({ ct: { key: "status" } }, "dnat", "in"), { accept: null }],
          },
        },
        { rule: { ...of, chain: "filter_FORWARD", expr: [{ reject: { type: "icmpx", expr: "admin-prohibited" } }] } },
      ],
    });
  const check = (name: string, ports: unknown): Check => {
    const parsed = parseNftRuleset(listing(ports));
    assert.ok(parsed.ok);
    return checkOf(name, { firewall: decoded(parsed.value.chains) }, { plane: "nat" });
  };
  assert.equal(check("firewall-input", all).status, "ok");
  const blocked = check("firewall-input", 9000);
  assert.match(blocked.found, /^firewalld \(filter_INPUT\)/);
  assert.equal(blocked.command, "sudo firewall-cmd --permanent --add-port=9099-9100/udp && sudo firewall-cmd --reload");
  // What was redirected is let through, as firewalld does for its own port forwardings.
  assert.equal(check("firewall-forward", all).status, "ok");
});

test("nft: a forward policy is named with a rule that knows the port before the redirection", () => {
  const check = withNft("firewall-forward", { hook: "forward", policy: "drop" }, [], { ...onlyIpv4, plane: "nat" });
  assert.equal(check.status, "failed");
  assert.equal(
    check.command,
    "sudo nft insert rule inet filter base meta l4proto udp ct original proto-dst '{ 9000, 9099-9100 }' accept",
  );
});

test("nft: redirections are found, Punchcast's own tables left out", () => {
  const nat = { type: "nat", hook: "prerouting", policy: "accept" };
  const redirecting: [string, ...object[]] = ["base", match(dport, 9000), { dnat: { addr: "10.0.0.2", port: 80 } }];
  assert.equal(withNft("nat-rules", nat, [redirecting]).status, "failed");
  const listing = { nftables: [{ chain: { family: "inet", table: "punchcast", name: "base", ...nat } }] };
  const parsed = parseNftRuleset(JSON.stringify(listing));
  assert.deepEqual(parsed, { ok: true, value: { chains: [], hasIptables: false } });
});

test("the remedy is for the variant of iptables that drops", () => {
  const chains = (family: "ip" | "ip6"): FirewallChain[] =>
    parseIptablesSave("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", family, "iptables-legacy");
  const { command } = checkOf("firewall-input", { firewall: decoded([...chains("ip"), ...chains("ip6")]) });
  assert.match(command ?? "", /^sudo iptables-legacy -I INPUT .* && sudo ip6tables-legacy -I INPUT /);
});

test("chains that call themselves come to an end", () => {
  const loop = "*filter\n:INPUT DROP [0:0]\n:a - [0:0]\n-A INPUT -j a\n-A a -j a\nCOMMIT";
  assert.equal(withIptables("firewall-input", loop).status, "failed");
});

test("whatever the tools print, reading it never throws", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseIptablesSave(text, "ip");
      parseNftRuleset(text);
    }),
  );
  const names = fc.constantFrom("family", "table", "chain", "name", "expr", "match", "vmap", "set", "data", "right");
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom<unknown>("inet", "filter", "@x", 9000, null),
      fc.array(tie("tree")),
      fc.dictionary(names, tie("tree")),
    ),
  }));
  const kinds = fc.constantFrom("table", "chain", "rule", "set", "map");
  fc.assert(
    fc.property(fc.array(fc.dictionary(kinds, tree)), (nftables) => {
      parseNftRuleset(JSON.stringify({ nftables }));
    }),
  );
});
