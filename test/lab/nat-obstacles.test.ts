import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seedScene } from "../../src/lab/seed-scene.ts";
import type { ServerEvent } from "../../src/server/server-events.ts";
import { needsLab, withLab } from "../support/lab.ts";
import {
  agentOn,
  differences,
  entry,
  handViewer,
  hostSettings,
  natKeys,
  relayWith,
  sentByKernel,
  shell,
  stream,
} from "../support/nat-host.ts";
import { follow, type Running } from "../support/punchcast.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const options = {
  ...(await needsLab("python3", "nft", "conntrack", "iptables-nft", "iptables-legacy")),
  timeout: 60_000,
};

test("a firewall that forwards nothing is named, and its remedy lets the stream pass", options, (t) =>
  withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false }), async (lab) => {
      const host = lab.host("relay");
      await shell(
        host,
        "iptables-nft -P FORWARD DROP; iptables-nft -t nat -A PREROUTING -p udp --dport 9100 -j DNAT --to 192.0.2.1",
      );
      const relay = relayWith(host, "nft", folder);
      const { message } = await relay.until("warning", { where: ({ message }) => message.includes("FORWARD") });
      t.diagnostic(message);
      await relay.until("warning", { where: ({ message }) => message.includes("UDP port 9100") });
      const [source, client] = [agentOn(lab.host("S1")), agentOn(lab.host("C1"))];
      await stream(lab, source, 200, 8);
      const viewer = await handViewer(client, lab.host("C1"), {});
      await relay.until("stats", { where: ({ streams }) => (streams[0]?.out.drops ?? 0) > 50 });
      const before = (await viewer.numbers()).length;
      const remedy = message.slice(message.indexOf("sudo")).replaceAll("sudo iptables", "iptables-nft");
      await shell(host, remedy);
      await delay(1500);
      assert.ok((await viewer.numbers()).length > before + 200);
      await relay.kill();
    }),
  ),
);

test("rules that others wipe out are put in again", options, () =>
  withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false }), async (lab) => {
      const relay = relayWith(lab.host("relay"), "nft", folder);
      await relay.until("listening");
      const [source, client] = [agentOn(lab.host("S1")), agentOn(lab.host("C1"))];
      await stream(lab, source, 200, 8);
      await handViewer(client, lab.host("C1"), {});
      await relay.until("stats", { where: ({ streams }) => (streams[0]?.out.packets ?? 0) > 100 });
      await shell(lab.host("relay"), "nft flush ruleset");
      await relay.until("warning", { where: ({ message }) => message.includes("put in again") });
      const wiped = relay.all("stats").at(-1)?.streams[0]?.out.packets ?? 0;
      await relay.until("stats", { where: ({ streams }) => (streams[0]?.out.packets ?? 0) > wiped + 200 });
      await relay.kill();
    }),
  ),
);

test(
  "CAP_NET_ADMIN alone is enough, without it one sentence says so, and nothing is changed",
  { ...options, skip: options.skip || (process.getuid?.() !== 0 && "needs root to give up rights") },
  () =>
    withLab(seedScene({ ipv6: false }), async (lab) => {
      const host = lab.host("relay");
      const folder = (await shell(host, "d=$(mktemp -d); chown 65534 $d; echo $d")).trim();
      const person = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all,+net_admin"];
      const run = (rights: readonly string[], more: string[] = []): Running<ServerEvent> =>
        follow(
          host.spawn("setpriv", [
            ...[...person, ...rights, process.execPath, entry, "relay", "--plane", "nat", "--json"],
            ...["--state", join(folder, "relay.json"), ...natKeys, ...more],
          ]),
          "relay",
        );
      const before = await hostSettings(host, "all");
      try {
        const refused = run([]);
        await assert.rejects(refused.until("listening"), /NO_PRIVILEGE.*CAP_NET_ADMIN/);
        assert.deepEqual(differences(before, await hostSettings(host, "all")), []);
        const relay = run(["--inh-caps", "+net_admin", "--ambient-caps", "+net_admin"]);
        await relay.until("listening");
        const [source, client] = [agentOn(lab.host("S1")), agentOn(lab.host("C1"))];
        await stream(lab, source, 100, 10);
        await handViewer(client, lab.host("C1"), {});
        await relay.until("stats", { where: ({ streams }) => (streams[0]?.out.packets ?? 0) > 100 });
        assert.ok(Number(await shell(host, sentByKernel)) > 0);
        await relay.kill();
        assert.match(await shell(host, "nft list tables"), /^$/);
      } finally {
        await shell(host, `rm -rf ${folder}`);
      }
    }),
);
