import assert from "node:assert/strict";
import { test } from "node:test";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { shell } from "../support/nat-host.ts";

const options = { ...(await needsLab("nft", "conntrack", "iptables-legacy")), timeout: 30_000 };
const script = `import { probeNatPlane } from "${new URL("../../src/data-plane/nat/probe.ts", import.meta.url)}";
console.log(JSON.stringify(await probeNatPlane({ punch: 9000, ingest: [9099] }), (_, v) => v instanceof Error ? v.code : v));`;

test("the probe tells what the host can do and what stands in the way, and changes nothing", options, async () => {
  await withLab(seedScene(), async (lab) => {
    const host = lab.host("relay");
    const probe = async (environment = ""): Promise<Record<string, unknown>> =>
      JSON.parse(await shell(host, `${environment} ${process.execPath} --input-type=module -e '${script}'`));
    const good = { tool: "nft", families: [4, 6], forwards: false, obstacles: [] };
    assert.deepEqual(await probe(), good);
    assert.equal((await probe("PUNCHCAST_NAT_TOOL=iptables-legacy")).problem, undefined);
    assert.equal((await probe("PUNCHCAST_NAT_TOOL=ipfw")).problem, "BAD_OPTION");
    assert.equal((await probe("PATH=/nowhere")).problem, undefined, "sbin is looked into as well");
    assert.equal(await shell(host, "nft list ruleset"), "");
    await shell(
      host,
      "iptables-nft -P FORWARD DROP; nft add table inet fw; nft 'add chain inet fw f { type filter hook forward priority 0; policy drop; }'",
    );
    await shell(
      host,
      "nft 'add chain inet fw n { type nat hook prerouting priority -100; }'; nft 'add rule inet fw n udp dport 9000-9010 redirect to :53'",
    );
    const { obstacles } = await probe();
    assert.ok(Array.isArray(obstacles));
    assert.deepEqual(obstacles.map(({ kind }) => kind).sort(), ["foreign-nat", "forward-policy", "forward-policy"]);
    const remedy = obstacles.map(({ sentence }) => sentence).find((text) => text.includes("nft insert rule inet fw f"));
    assert.match(JSON.stringify(obstacles), /inet fw drops/);
    await shell(host, remedy.slice(remedy.indexOf("sudo nft") + 5).replace(/rule (.*)$/, "rule '$1'"));
    assert.doesNotMatch(JSON.stringify(await probe()), /inet fw drops/);
  });
});
