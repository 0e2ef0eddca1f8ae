import type { LabNode } from "../../src/lab/lab.ts";

/** What passed between a host and one remote, without IP's header. */
export interface WireCount {
  readonly packets: number;
  readonly bytes: number;
}

/** What one remote sent to a host and got from it. */
export interface WireCounts {
  readonly came: WireCount;
  readonly went: WireCount;
}

const ruleset = `table ip wire {
  set came { type ipv4_addr . inet_service; flags dynamic; size 65535; }
  set went { type ipv4_addr . inet_service; flags dynamic; size 65535; }
  chain in { type filter hook prerouting priority raw;
    update @came { ip saddr . udp sport counter }
  }
  chain out { type filter hook postrouting priority raw;
    update @went { ip daddr . udp dport counter }
  }
}`;

/** Counts from now on, in the kernel, the UDP that a host receives and sends over IPv4, by remote address and port. */
export async function countOnWire(node: LabNode): Promise<void> {
  await node.run("nft", ["-f", "-"], { input: ruleset });
}

/** What was counted so far, by remote (`address:port`). */
export async function readWire(node: LabNode): Promise<ReadonlyMap<string, WireCounts>> {
  const [came, went] = await Promise.all([readSet(node, "came"), readSet(node, "went")]);
  const none: WireCount = { packets: 0, bytes: 0 };
  const remotes = new Set([...came.keys(), ...went.keys()]);
  return new Map([...remotes].map((key) => [key, { came: came.get(key) ?? none, went: went.get(key) ?? none }]));
}

interface Listing {
  readonly nftables: readonly {
    readonly set?: {
      readonly elem?: readonly {
        readonly elem: { readonly val: { readonly concat: readonly (string | number)[] }; readonly counter: WireCount };
      }[];
    };
  }[];
}

async function readSet(node: LabNode, name: string): Promise<Map<string, WireCount>> {
  const listing: Listing = JSON.parse((await node.run("nft", ["-j", "list", "set", "ip", "wire", name])).stdout);
  const elements = listing.nftables.flatMap(({ set }) => set?.elem ?? []).map(({ elem }) => elem);
  return new Map(
    elements.map(({ val, counter: { packets, bytes } }) => [
      val.concat.join(":"),
      { packets, bytes: bytes - packets * 20 },
    ]),
  );
}
