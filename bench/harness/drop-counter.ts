import { sinkPort } from "./contenders.ts";
import { addresses, type BenchNetwork } from "./network.ts";

/** Counts what arrives at the sink's device and drops it there, so that the viewers' own cost is next to none. */
export interface DropCounter {
  /** Packets of `bytes` UDP payload so far; those that still are one message of many count as what they carry. */
  packets(bytes: number): Promise<number>;
}

/** IPv4 and UDP headers. */
const headerBytes = 28;

/** Puts it in place for good. */
export async function installDropCounter(network: BenchNetwork): Promise<DropCounter> {
  const rule = `ip saddr ${addresses.relayPunch} udp dport ${sinkPort}-${sinkPort + 4_095} counter drop`;
  const chain = `chain arrivals {\n type filter hook ingress device k0 priority 0;\n ${rule}\n }`;
  await network.run("sink", "nft", [`table netdev bench {\n ${chain}\n }`]);
  return {
    async packets(bytes) {
      const listing = await network.run("sink", "nft", ["list", "table", "netdev", "bench"]);
      const [, messages = "0", total = "0"] = /packets (\d+) bytes (\d+)/.exec(listing) ?? [];
      return Math.round((Number(total) - Number(messages) * headerBytes) / bytes);
    },
  };
}

/** Whether the relay's device towards the viewers cuts up messages by itself, as some network cards do, or the kernel has to. */
export async function setDeviceCuts(network: BenchNetwork, deviceCuts: boolean): Promise<void> {
  await network.run("relay", "ip", ["link", "set", "r1", "gso_max_segs", deviceCuts ? "65535" : "1"]);
}
