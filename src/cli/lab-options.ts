import { InvalidArgumentError, Option } from "commander";
import { dependences, type NatBehaviour } from "../lab/nat-behaviour.ts";
import type { UplinkOptions } from "../lab/seed-scene.ts";

/** What is set for one router, as the command line has it. */
interface RouterFlags {
  readonly mapping?: NatBehaviour["mapping"];
  readonly filtering?: NatBehaviour["filtering"];
  readonly ports?: NatBehaviour["ports"];
  readonly mappingTimeout?: number;
  readonly loss?: number;
  readonly cgnat?: boolean;
}

/** The routers that have options of their own. */
export type Party = "client" | "streamer";

/** The options of one router: `--client-mapping`, `--client-filtering`, … */
export function routerOptions(party: Party): Option[] {
  const who = party === "client" ? "the viewers' routers" : "the streamer's router";
  return [
    new Option(`--${party}-mapping <dependence>`, `mapping of ${who} (RFC 4787)`).choices(dependences),
    new Option(`--${party}-filtering <dependence>`, `filtering of ${who} (RFC 4787)`).choices(dependences),
    new Option(`--${party}-ports <assignment>`, `mapped ports of ${who}`).choices(["preserved", "random"]),
    new Option(`--${party}-mapping-timeout <seconds>`, `how long a mapping of ${who} lasts unused`).argParser(positive),
    new Option(`--${party}-loss <percent>`, `packets that ${who} lose, in each direction`).argParser(percent),
    new Option(`--${party}-cgnat`, `a carrier's NAT in front of ${who}`),
  ];
}

/** The way out of one party, from the flags of its router. */
export function uplinkOf(flags: Readonly<Record<string, unknown>>, party: Party): UplinkOptions {
  const own = Object.entries(flags).filter(([name, value]) => name.startsWith(party) && value !== undefined);
  const named = own.map(([name, value]) => [
    name.charAt(party.length).toLowerCase() + name.slice(party.length + 1),
    value,
  ]);
  const { mapping, filtering, ports, mappingTimeout, loss, cgnat }: RouterFlags = Object.fromEntries(named);
  return {
    ...(mapping && { mapping }),
    ...(filtering && { filtering }),
    ...(ports && { ports }),
    ...(mappingTimeout !== undefined && { mappingTimeoutMs: mappingTimeout * 1000 }),
    ...(loss !== undefined && { lossPercent: { in: loss, out: loss } }),
    // The carrier translates as the home router does, the worse of two equals.
    ...(cgnat && {
      carrier: { ...(mapping && { mapping }), ...(filtering && { filtering }), ...(ports && { ports }) },
    }),
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 86_400) return value;
  throw new InvalidArgumentError("Give seconds, more than 0 and at most a day.");
}

function percent(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 100) return value;
  throw new InvalidArgumentError("Give a percentage from 0 to 100.");
}
