import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { needsLab, withLab } from "../support/lab.ts";
import { planeLab, planeScene } from "../support/nat-harness.ts";
import {
  agentOn,
  differences,
  entry,
  handViewer,
  hostSettings,
  relayWith,
  shell,
  stream,
} from "../support/nat-host.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const punched = "10.10.10.197:9000";
const options = {
  ...(await needsLab("python3", "nft", "conntrack", "iptables-nft", "iptables-legacy")),
  timeout: 60_000,
};

for (const tool of ["nft", "iptables-nft", "iptables-legacy"] as const) {
  test(
    `${tool}: 100 keepalives under a live stream are answered by the relay, and none reaches the streamer`,
    options,
    (t) =>
      withTempFolder((folder) =>
        withLab(seedScene({ ipv6: false }), async (lab) => {
          const relay = relayWith(lab.host("relay"), tool, folder);
          await relay.until("listening");
          const [source, client] = [agentOn(lab.host("S1")), agentOn(lab.host("C1"))];
          const port = await stream(lab, source, 300, 4);
          const viewer = await handViewer(client, lab.host("C1"), {});
          await relay.until("hole-opened");
          await delay(200);
          assert.equal(await viewer.proveAgain(100), 100);
          assert.ok((await source.call<number>("sent", port)) < 1200, "the stream was still running");
          assert.deepEqual(await source.call("received", port), []);
          // A receiver report, unlike a keepalive, belongs to the streamer.
          const report = "80c90001deadbeef";
          await client.call("send", viewer.port, "10.10.10.197", 9000, [report]);
          await delay(300);
          const [heard, ...others] = await source.call<[string, string, number][]>("from", port);
          assert.deepEqual([heard?.slice(0, 3), others], [[report, "10.10.10.197", 9099], []]);
          // A sender that the scheduler puts on another CPU overtakes itself, in plain routing too.
          const numbers = (await viewer.numbers()).toSorted((a, b) => a - b);
          t.diagnostic(`${numbers.length} packets of the stream came meanwhile`);
          assert.deepEqual(
            numbers,
            numbers.map((_, i) => (numbers[0] ?? 0) + i),
            "every one of them, once",
          );
          await relay.kill();
        }),
      ),
  );

  test(`${tool}: a flow tracked for long is redirected when the viewer joins and when it moves`, options, (t) =>
    withLab(planeScene, async (lab) => {
      const { publisher, viewers, plane } = planeLab(lab);
      const host = lab.host("relay");
      // Another's stateful rule makes the kernel track all, and an entry that lasts long is what hours of stream make of it.
      await shell(
        host,
        `nft add table ip other; nft 'add chain ip other in { type filter hook input priority 0; }'
         nft 'add rule ip other in ct state established accept'
         echo 7200 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout`,
      );
      const port = await publisher.call<number>("open", lab.host("S1").address);
      await publisher.call("stream", port, "10.10.10.197", 9099, 1000, 3);
      await delay(300);
      const tracked = await shell(host, "conntrack -L -p udp 2>/dev/null");
      assert.match(tracked, new RegExp(`udp +17 7[0-9]{3} .*sport=${port} dport=9099 \\[UNREPLIED\\]`));
      const nat = plane(tool);
      await nat.start({ punch: 9000, ingest: [9099, 9100] }, []);
      const open = async () => {
        const at = await viewers.call<number>("open", lab.host("C1").address);
        return {
          at,
          target: {
            local: { address: "10.10.10.197", port: 9000 },
            remote: { address: lab.host("C1").address, port: at },
          },
        };
      };
      const [first, second] = [await open(), await open()];
      // What the relay itself once sent there, as one without this plane does: these are the addresses of the stream's answers.
      const own = (to: string, toPort: number): Promise<string> =>
        shell(
          host,
          `conntrack -I -p udp -s 10.10.10.197 -d ${to} --sport 9000 --dport ${toPort} --timeout 7000 2>/dev/null`,
        );
      await own(lab.host("C1").address, first.at);
      const flow = {
        local: { address: "10.10.10.197", port: 9099 },
        publisher: { address: lab.host("S1").address, port },
      };
      await nat.apply([
        { type: "set-flow", component: "live/0", flow },
        { type: "open-hole", hole: "a", component: "live/0", target: first.target },
      ]);
      await delay(100);
      const upAtJoin = await nat.driver.call<number>("handedUp");
      await delay(400);
      assert.equal(await nat.driver.call("handedUp"), upAtJoin, "after the viewer joined all goes by the kernel");
      const movedAt = Date.now();
      await nat.apply([{ type: "move-hole", hole: "a", target: second.target }]);
      const took = Date.now() - movedAt;
      await delay(100);
      const upAtMove = await nat.driver.call<number>("handedUp");
      while ((await publisher.call<number>("sent", port)) < 3000) await delay(100);
      await delay(200);
      assert.equal(await nat.driver.call("handedUp"), upAtMove, "after the change all goes by the kernel");
      const at = async (viewer: { at: number }): Promise<{ number: number; atMs: number }[]> => {
        const packets = await viewers.call<[string, string, number, number][]>("from", viewer.at);
        return packets.map(([hex, , , atMs]) => ({ number: Number.parseInt(hex.slice(4, 8), 16), atMs }));
      };
      const [before, after] = [await at(first), await at(second)];
      const late = before.filter(({ atMs }) => atMs > movedAt).length;
      t.diagnostic(
        `${before.length} packets before the move, ${after.length} after it; ${late} ms until the first at the new place, ` +
          `${took} ms until all was done`,
      );
      assert.ok(before.length > 400 && after.length > 1000);
      const from = await viewers.call<[string, string, number, number][]>("from", first.at);
      assert.deepEqual([...new Set(from.map(([, address, sourcePort]) => `${address}:${sourcePort}`))], [punched]);
      // While the rules change, packets take two ways through the relay and may overtake one another.
      const all = [...before, ...after].map(({ number }) => number).sort((a, b) => a - b);
      assert.deepEqual(
        all,
        all.map((_, i) => (all[0] ?? 0) + i),
        "none lost, none twice",
      );
      assert.equal(all.at(-1), 2999);
      await own("192.0.2.7", 24084);
      await nat.close();
      assert.doesNotMatch(await shell(host, "conntrack -L -p udp 2>/dev/null"), /sport=9000/, "a stop leaves nothing");
    }),
  );

  test(`${tool}: what others have on the host stays as it is over start, kill, restart and stop`, options, () =>
    withTempFolder((folder) =>
      withLab(seedScene({ ipv6: true }), async (lab) => {
        const host = lab.host("relay");
        await shell(
          host,
          `nft add table inet theirs; nft 'add set inet theirs people { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }; }'
           nft 'add chain inet theirs nat { type nat hook prerouting priority dstnat; }'
           nft 'add rule inet theirs nat udp dport 5353 dnat ip to 192.0.2.9:53 comment "punch card"'
           for t in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do
             for table in nat mangle raw; do $t -t $table -A PREROUTING -p udp --dport 7 -m comment --comment "punchline" -j ACCEPT; done
             $t -A FORWARD -p tcp --dport 25 -j DROP
             $t -t raw -N THEIRS; $t -t raw -A THEIRS -m comment --comment punched -j RETURN
           done
           echo 1 >/proc/sys/net/ipv4/conf/eth0/forwarding; echo 0 >/proc/sys/net/ipv4/conf/all/accept_redirects
           conntrack -I -p udp -s 192.0.2.7 -d 10.10.10.197 --sport 9099 --dport 53 --timeout 7000 2>/dev/null
           conntrack -I -p udp -s 10.10.10.175 -d 10.10.10.197 --sport 7777 --dport 5000 --timeout 7000 2>/dev/null`,
        );
        const [all, others] = [await hostSettings(host, "all"), await hostSettings(host, "others")];
        const [source, client] = [agentOn(lab.host("S1")), agentOn(lab.host("C1"))];
        const first = relayWith(host, tool, folder);
        await first.until("listening");
        await stream(lab, source, 100, 30);
        await handViewer(client, lab.host("C1"), {});
        await first.until("stats", { where: ({ streams }) => (streams[0]?.out.packets ?? 0) > 100 });
        assert.deepEqual(differences(others, await hostSettings(host, "others")), [], "while it runs");
        await first.kill("SIGKILL");
        assert.deepEqual(differences(others, await hostSettings(host, "others")), [], "killed");
        const next = relayWith(host, tool, folder);
        await next.until("stats", { where: ({ streams }) => (streams[0]?.out.packets ?? 0) > 100 });
        assert.deepEqual(differences(others, await hostSettings(host, "others")), [], "started again");
        await next.kill();
        // The source goes on: what its packets make the kernel track on the closed port is its own affair.
        const untracked = (text: string): string => text.replaceAll(/^udp .*dport=9099 .*\n/gm, "");
        assert.deepEqual(differences(untracked(all), untracked(await hostSettings(host, "all"))), [], "stopped");

        const third = relayWith(host, tool, folder);
        await third.until("listening");
        await third.kill("SIGKILL");
        const clean = (...args: string[]) =>
          shell(host, [process.execPath, entry, "clean", "--json", ...args].join(" "));
        assert.match(await clean("--state", join(folder, "relay.json")), /"removed":\[".*switches"\]/);
        assert.deepEqual(differences(untracked(all), untracked(await hostSettings(host, "all"))), [], "cleaned");
        assert.match(await clean("--state", join(folder, "no-such-file")), /"removed":\[\]/);
      }),
    ),
  );
}

test("a relay moves a hole to the viewer's new mapped address without losing a packet", options, (t) =>
  withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false, client: { ports: "random" } }), async (lab) => {
      const relay = relayWith(lab.host("relay"), "nft", folder);
      await relay.until("listening");
      const [source, client] = [agentOn(lab.host("S1")), agentOn(lab.host("C1"))];
      await stream(lab, source, 1000, 3);
      const session = "00112233445566aa";
      const first = await handViewer(client, lab.host("C1"), { session });
      await delay(400);
      // Another socket has another mapped address; the old one still works, so what is lost is lost by the relay.
      const second = await handViewer(client, lab.host("C1"), { session });
      await relay.until("hole-moved");
      await delay(2500);
      const numbers = [...(await first.numbers()), ...(await second.numbers())].sort((a, b) => a - b);
      t.diagnostic(
        `${(await first.numbers()).length} packets before the move and ${(await second.numbers()).length} after it`,
      );
      assert.deepEqual(
        numbers,
        numbers.map((_, i) => (numbers[0] ?? 0) + i),
      );
      assert.ok((await second.numbers()).length > 1000);
      await relay.kill();
    }),
  ),
);
