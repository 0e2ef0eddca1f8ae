import { type Endpoint, formatEndpoint, normalizeAddress } from "../../../core/address.ts";
import type { PlanePorts } from "../../data-plane.ts";
import { familyOf, type Mapping } from "../mapping.ts";

/** Our chain in the raw table. All else stands in the built-in chains, where the seed has it. */
export const chainName = "PUNCHCAST";

/** The seed's mark. */
const punch = "-m comment --comment punch";

/** The tables that have rules of ours. */
export const tables = ["raw", "mangle", "nat"] as const;

/** One of them. */
export type Table = (typeof tables)[number];

/** A rule without its verb: `PREROUTING -p udp …`. */
type Rule = string;

/** Rules by table. */
export type RuleSet = Readonly<Record<Table, readonly Rule[]>>;

/** RTP and RTCP begin with the bits 10 (RFC 3550 §5.1): behind IPv4's header, whatever its length, and behind IPv6's 40 bytes. */
const isRtp: Readonly<Record<4 | 6, string>> = {
  4: '-m u32 --u32 "0x0>>0x16&0x3c@0x8>>0x1e=0x2"',
  6: '-m u32 --u32 "0x30>>0x1e=0x2"',
};

function between(from: Endpoint, to: Endpoint): string {
  return `-s ${from.address} -d ${to.address} -p udp -m udp --sport ${from.port} --dport ${to.port}`;
}

/** The rules that there are without any mapping: nothing on the relay's ports is tracked. In order. */
export function staticRules(ports: PlanePorts): RuleSet {
  const ranges = portRanges([ports.punch, ...ports.ingest]);
  return {
    raw: [
      `PREROUTING -p udp ${punch} -j ${chainName}`,
      ...ranges.map(
        (range) => `OUTPUT -p udp -m udp --sport ${range} -m addrtype --src-type LOCAL ${punch} -j CT --notrack`,
      ),
      ...ranges.map(
        (range) => `${chainName} -p udp -m udp --dport ${range} -m addrtype --dst-type LOCAL ${punch} -j CT --notrack`,
      ),
    ],
    mangle: [],
    nat: [],
  };
}

/** The rules of one mapping: the seed's two, what conntrack shall see of the relay's ports, and no RTCP before the stream. */
export function mappingRules(mapping: Mapping, ports: PlanePorts): RuleSet {
  const { publisher, ingest, viewer, punched } = mapping;
  const rtp = isRtp[familyOf(mapping)];
  const onPunchPort = ingest.port === ports.punch ? `${rtp} ` : "";
  return {
    raw: [
      `${chainName} ${between(publisher, ingest)} ${onPunchPort}${punch} -j RETURN`,
      `${chainName} ${between(viewer, punched)} ${rtp} ${punch} -j RETURN`,
    ],
    mangle: [`PREROUTING ${between(viewer, punched)} -m conntrack --ctstate NEW ${punch} -j DROP`],
    nat: [
      `POSTROUTING ${between(publisher, viewer)} ${punch} -j SNAT --to-source ${formatEndpoint(punched)}`,
      `PREROUTING ${between(publisher, ingest)} ${punch} -j DNAT --to-destination ${formatEndpoint(viewer)}`,
    ],
  };
}

/** Rules without a target, which only count a mapping's packets: on their way in, and when they are about to leave. */
export function countRules({ publisher, viewer }: Mapping): RuleSet {
  const counting = `${between(publisher, viewer)} ${punch}`;
  return { raw: [], mangle: [`FORWARD ${counting}`, `POSTROUTING ${counting}`], nat: [] };
}

/** A rule as `iptables-save -c` prints it. */
export interface SavedRule {
  readonly table: string;
  /** From the chain's name on. */
  readonly rule: Rule;
  readonly packets: number;
  readonly bytes: number;
}

/** The rules with exactly our mark. */
export function readPunchRules(saved: string): SavedRule[] {
  const rules: SavedRule[] = [];
  let table = "";
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1).trim();
    const [, packets, bytes, rule] = /^\[(\d+):(\d+)\] -A (.*)$/.exec(line) ?? [];
    if (rule === undefined || !/ --comment ("punch"|punch)( |$)/.test(rule)) continue;
    rules.push({ table, rule, packets: Number(packets), bytes: Number(bytes) });
  }
  return rules;
}

/** The two ends that a saved rule names; `undefined` if it does not name them exactly. */
export function readEnds(rule: Rule): { readonly from: Endpoint; readonly to: Endpoint } | undefined {
  const value = (flag: string): string => new RegExp(` ${flag} ([^ /]+)(?:/(?:32|128))?(?: |$)`).exec(rule)?.[1] ?? "";
  const end = (address: string, port: string): Endpoint | undefined => {
    const normal = normalizeAddress(address);
    return normal === undefined || !/^\d+$/.test(port) ? undefined : { address: normal, port: Number(port) };
  };
  const from = end(value("-s"), value("--sport"));
  const to = end(value("-d"), value("--dport"));
  return from && to && { from, to };
}

/** The mappings that saved rules make: a DNAT and the SNAT that goes with it. */
export function readSavedMappings(saved: readonly SavedRule[]): Mapping[] {
  const nat = saved.filter(({ table }) => table === "nat").map(({ rule }) => ({ rule, ends: readEnds(rule) }));
  const target = (rule: Rule, flag: string): Endpoint | undefined => {
    const [, address, port] = new RegExp(` --${flag} \\[?([0-9a-fA-F.:]+?)\\]?:(\\d+)( |$)`).exec(rule) ?? [];
    const normal = normalizeAddress(address ?? "");
    return normal === undefined ? undefined : { address: normal, port: Number(port) };
  };
  return nat.flatMap(({ rule, ends }) => {
    const viewer = target(rule, "to-destination");
    if (ends === undefined || viewer === undefined) return [];
    const { from: publisher, to: ingest } = ends;
    for (const other of nat) {
      const punched = target(other.rule, "to-source");
      const [from, to] = [other.ends?.from, other.ends?.to];
      if (punched === undefined || from === undefined || to === undefined) continue;
      if (formatEndpoint(from) === formatEndpoint(publisher) && formatEndpoint(to) === formatEndpoint(viewer))
        return [{ publisher, ingest, viewer, punched }];
    }
    return [];
  });
}

/** `9000`, `9099:9102`: ascending, as few as there can be. */
function portRanges(ports: readonly number[]): string[] {
  const ranges: { first: number; last: number }[] = [];
  for (const port of [...new Set(ports)].sort((a, b) => a - b)) {
    const current = ranges.at(-1);
    if (current?.last === port - 1) current.last = port;
    else ranges.push({ first: port, last: port });
  }
  return ranges.map(({ first, last }) => (first === last ? String(first) : `${first}:${last}`));
}
