import { lastPort } from "../contenders/contender.ts";
import { addresses, type BenchNetwork } from "./network.ts";

/** Counts what arrives at the viewers' device and drops it there, so that their own cost is next to none. */
export interface DropCounter {
  /** Packets of `bytes` UDP payload so far; those that still are one message of many count as what they carry. */
  packets(bytes: number): Promise<number>;
  /** Whether the last viewer's packets are dropped too, as for a rate that no sink has to keep up with. Default: not. */
  dropAll(all: boolean): Promise<void>;
}

/** IPv4 and UDP headers. */
const headerBytes = 28;

/** Puts it in place for good. What comes for port 9 of the relay is dropped at its own device: what the generator can do alone. */
export async function installDropCounter(network: BenchNetwork): Promise<DropCounter> {
  const counter = 'counter name "arrivals" drop';
  const hidden = `ip daddr ${addresses.sink} udp dport ${lastPort - 999}-${lastPort - 1} ${counter}`;
  await network.run("sink", "nft", [
    `table netdev bench {
 counter arrivals {
 }
 chain hidden {
  type filter hook ingress device k0 priority 0;
  ${hidden}
 }
 chain last {
  type filter hook ingress device k0 priority 1;
 }
}`,
  ]);
  await network.run("relay", "nft", [
    "table netdev bench {\n chain discard {\n type filter hook ingress device r0 priority 0;\n udp dport 9 drop\n }\n }",
  ]);
  return {
    async packets(bytes) {
      const listing = await network.run("sink", "nft", ["list", "counter", "netdev", "bench", "arrivals"]);
      const [, messages = "0", total = "0"] = /packets (\d+) bytes (\d+)/.exec(listing) ?? [];
      return Math.round((Number(total) - Number(messages) * headerBytes) / bytes);
    },
    async dropAll(all) {
      const rule = `add rule netdev bench last ip daddr ${addresses.sink} udp dport ${lastPort} ${counter}`;
      await network.run("sink", "nft", [all ? rule : "flush chain netdev bench last"]);
    },
  };
}

/** Whether the relay's device towards the viewers cuts up messages by itself, as some network cards do, or the kernel has to. */
export async function setDeviceCuts(network: BenchNetwork, deviceCuts: boolean): Promise<void> {
  await network.run("relay", "ip", ["link", "set", "r1", "gso_max_segs", deviceCuts ? "65535" : "1"]);
}
