import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { NatTool } from "../../src/data-plane/nat/nat-backend.ts";
import type { Lab, LabHost, LabNode } from "../../src/lab/lab.ts";
import type { ServerEvent } from "../../src/server/server-events.ts";
import { type LineDriven, lineDriven } from "./line-driven.ts";
import { punchRequest, type RequestFields, readAnswer, viewKey } from "./punch-request.ts";
import { follow, type Running } from "./punchcast.ts";

/** Keys, so that no state file is needed for them. */
export const natKeys: readonly string[] = ["--view-key", viewKey, "--publish-key", "not-used-2"];
/** The command from the sources. */
export const entry: string = fileURLToPath(new URL("punchcast-entry.ts", import.meta.url));
/** Sockets on a host, driven from here. */
export const agentOn = (host: LabHost): LineDriven =>
  lineDriven(host, "python3", [fileURLToPath(new URL("udp-agent.py", import.meta.url))]);

/** A relay with the nat plane, driving this tool, with the view key of `punchRequest`. */
export function relayWith(
  host: LabHost,
  tool: NatTool,
  folder: string,
  ...args: readonly string[]
): Running<ServerEvent> {
  const flags = ["relay", "--plane", "nat", "--json", "--state", join(folder, "relay.json"), ...natKeys, ...args];
  return follow(
    host.spawn("env", [`PUNCHCAST_NAT_TOOL=${tool}`, process.execPath, entry, ...flags]),
    `relay (${tool})`,
  );
}

/** What S1's router sends to the relay while a viewer watches, and the socket that it comes from. */
export async function stream(lab: Lab, agent: LineDriven, rate: number, seconds: number): Promise<number> {
  const port = await agent.call<number>("open", lab.host("S1").address);
  await agent.call("stream", port, "10.10.10.197", 9099, rate, seconds);
  return port;
}

/** A shell command's output on a host. */
export async function shell(node: LabNode, script: string): Promise<string> {
  return (await node.run("sh", ["-ec", script])).stdout;
}

/** A shell line that tells how many packets nftables has translated and sent on, for all mappings that there are. */
export const sentByKernel: string =
  "nft -j list counters table inet punchcast | grep -o '\"sent-[^}]*' | grep -o '\"packets\": [0-9]*' | awk '{s+=$2} END {print s+0}'";

/** What a host's network is set to, as text to compare; `others` leaves out what is Punchcast's own while it runs. */
export async function hostSettings(host: LabHost, others: "all" | "others"): Promise<string> {
  const text = await shell(
    host,
    `nft list ruleset; for tool in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do $tool-save; done
     sysctl -a 2>/dev/null | grep ^net.; conntrack -L 2>/dev/null | sort; conntrack -L -f ipv6 2>/dev/null | sort`,
  );
  // iptables tells its own tables; nft shows how iptables-nft translates them, and built-in chains that it never removes.
  const steady = text
    .replaceAll(/^table ip6? (nat|mangle|raw|filter) \{\n(?:.*\n)*?^\}\n/gm, "")
    .replaceAll(/^# (Generated|Completed).*$/gm, "")
    .replaceAll(/\[\d+:\d+\]|counter packets \d+ bytes \d+/g, "")
    .replaceAll(/^((?:udp|tcp) +\d+) \d+/gm, "$1")
    .replaceAll(/^net\.netfilter\.nf_conntrack_(count|max).*$/gm, "");
  if (others === "all") return steady.replaceAll(/\n{2,}/g, "\n");
  return steady
    .replaceAll(/^table inet punchcast \{\n(?:.*\n)*?^\}\n/gm, "")
    .replaceAll(/^.*(?:comment "?punch"?[ "]|comment "?punch"?$|PUNCHCAST).*$/gm, "")
    .replaceAll(/^udp .*dport=(9000|9099|910\d).*$/gm, "")
    .replaceAll(/^net\.ipv[46]\.(ip_forward|conf\..*(forwarding|accept_redirects)) .*$/gm, "")
    .replaceAll(/\n{2,}/g, "\n");
}

/** The lines in which two texts differ, `-` for those that are gone and `+` for those that came; empty if none. */
export function differences(before: string, after: string): string[] {
  const [old, fresh] = [before.split("\n"), after.split("\n")];
  const lacking = (from: readonly string[], other: readonly string[], sign: string): string[] => {
    const counts = Map.groupBy(other, (line) => line);
    return from.filter((line) => counts.get(line)?.pop() === undefined).map((line) => sign + line);
  };
  return [...lacking(old, fresh, "-"), ...lacking(fresh, old, "+")];
}

/** A viewer made by hand: one socket of an agent that proves the key. */
export interface HandViewer {
  readonly port: number;
  /** Sends a signed request, as consent does, and resolves when that many successes have come in all. */
  proveAgain(times: number): Promise<number>;
  /** The RTP numbers that came, in order. */
  numbers(): Promise<number[]>;
}

/** Opens a hole for component 0 from a socket of `agent` on `host`. */
export async function handViewer(agent: LineDriven, host: LabHost, fields: RequestFields): Promise<HandViewer> {
  const relay = ["10.10.10.197", 9000] as const;
  const port = await agent.call<number>("open", host.address);
  const inbox = async (): Promise<Uint8Array[]> =>
    (await agent.call<string[]>("received", port)).map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
  const isStun = (bytes: Uint8Array): boolean => (bytes[0] ?? 255) < 4;
  const send = (bytes: Uint8Array): Promise<unknown> =>
    agent.call("send", port, ...relay, [Buffer.from(bytes).toString("hex")]);
  const answers = async (least: number): Promise<Uint8Array[]> => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const found = (await inbox()).filter(isStun);
      if (found.length >= least) return found;
      await delay(20);
    }
    return (await inbox()).filter(isStun);
  };
  await send(punchRequest(fields));
  const { challenge } = readAnswer((await answers(1))[0]);
  if (challenge === undefined) throw new Error("the relay sent no challenge");
  const prove = (): Promise<unknown> => send(punchRequest({ ...fields, challenge }));
  await prove();
  const opened = readAnswer((await answers(2))[1]);
  if (opened.code !== 200) throw new Error(`the relay refused with ${opened.code}`);
  return {
    port,
    async proveAgain(times) {
      const before = (await answers(2)).length;
      for (let i = 0; i < times; i++) {
        await prove();
        if (i % 10 === 9) await delay(30);
      }
      const all = await answers(before + times);
      return all.slice(before).filter((bytes) => readAnswer(bytes).code === 200).length;
    },
    numbers: async () =>
      (await inbox()).filter((bytes) => bytes[0] === 0x80).map((bytes) => ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)),
  };
}
