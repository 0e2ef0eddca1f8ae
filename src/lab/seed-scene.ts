import { PunchcastError } from "../core/errors.ts";
import { homeNat, type NatBehaviour } from "./nat-behaviour.ts";
import type { Scene, SceneHost, SceneRouter } from "./scene.ts";

/** One party's way to the public segment. What is left out is as in `homeNat`. */
export interface UplinkOptions extends Partial<NatBehaviour> {
  /** A carrier's NAT between the router and the public segment, with this behaviour; default none. */
  readonly carrier?: Partial<NatBehaviour>;
}

/** Choices in the seed's picture. */
export interface SeedSceneOptions {
  /** C1's router; default `homeNat`. */
  readonly client?: UplinkOptions;
  /** S1's router; default `homeNat`. */
  readonly streamer?: UplinkOptions;
  /** C2, C3, …, each behind a router of its own; default none, at most 200, what a /24 has room for beside the rest. */
  readonly moreViewers?: readonly UplinkOptions[];
  /** IPv6 beside IPv4 everywhere, translated by the same routers; default true. */
  readonly ipv6?: boolean;
}

/** Last numbers of the public addresses in the seed's picture. */
const seedNumbers = { client: 112, streamer: 175, relay: 197 } as const;

/**
 * The seed's picture: `C1` (192.168.12.4) behind `router-C1` (10.10.10.112), `S1` (192.168.11.4) behind `router-S1`
 * (10.10.10.175) and `relay` (10.10.10.197). Further viewers: `C2` (192.168.13.4) behind `router-C2` (10.10.10.113) and so
 * on. With a carrier, `carrier-C1` has the public address and `router-C1` is 100.64.0.2 behind it (RFC 6598).
 * IPv6 is numbered alike: fd00:10::112 before fd00:192:168:12::4. The result is plain data: change it before use.
 */
export function seedScene(options: SeedSceneOptions = {}): Scene {
  const ipv6 = options.ipv6 ?? true;
  const more = options.moreViewers ?? [];
  if (more.length > 200) {
    throw new PunchcastError(
      "BAD_OPTION",
      `A lab has room for 200 further viewers, not ${more.length}: ask for fewer.`,
    );
  }
  const parties = [
    uplink("C1", 12, seedNumbers.client, options.client ?? {}, ipv6),
    uplink("S1", 11, seedNumbers.streamer, options.streamer ?? {}, ipv6),
    ...more.map((viewer, i) => uplink(`C${i + 2}`, 13 + i, freeNumbers[i] ?? 0, viewer, ipv6)),
  ];
  const relay: SceneHost = {
    name: "relay",
    ...numbered("address", `10.10.10.${seedNumbers.relay}`, "fd00:10::197", ipv6),
  };
  return {
    publicSegment: numbered("subnet", "10.10.10.0/24", "fd00:10::/64", ipv6),
    routers: parties.flatMap(({ routers }) => routers),
    hosts: [...parties.map(({ host }) => host), relay],
  };
}

/** 113 and up as the picture suggests, then from 2; the first is left to whoever wants a gateway there. */
const freeNumbers: readonly number[] = Array.from({ length: 252 }, (_, i) => ((i + 111) % 253) + 2).filter(
  (number) => !Object.values<number>(seedNumbers).includes(number),
);

function uplink(
  name: string,
  subnet: number,
  publicNumber: number,
  options: UplinkOptions,
  ipv6: boolean,
): { routers: SceneRouter[]; host: SceneHost } {
  const { carrier, ...own } = options;
  const outside = numbered("publicAddress", `10.10.10.${publicNumber}`, `fd00:10::${publicNumber}`, ipv6);
  const host: SceneHost = {
    name,
    behind: `router-${name}`,
    ...numbered("address", `192.168.${subnet}.4`, `fd00:192:168:${subnet}::4`, ipv6),
  };
  const router = {
    name: `router-${name}`,
    inside: numbered("subnet", `192.168.${subnet}.0/24`, `fd00:192:168:${subnet}::/64`, ipv6),
    nat: { ...homeNat, ...own },
  };
  if (carrier === undefined) return { host, routers: [{ ...router, ...outside }] };
  const carrierRouter: SceneRouter = {
    name: `carrier-${name}`,
    ...outside,
    inside: numbered("subnet", "100.64.0.0/24", "fd00:100:64::/64", ipv6),
    nat: { ...homeNat, ...carrier },
  };
  const between = numbered("publicAddress", "100.64.0.2", "fd00:100:64::2", ipv6);
  return { host, routers: [carrierRouter, { ...router, ...between, behind: carrierRouter.name }] };
}

type Numbered<Field extends string> = Readonly<Record<Field, string>> & Partial<Readonly<Record<`${Field}6`, string>>>;

function numbered<Field extends string>(field: Field, ipv4: string, ipv6: string, withIpv6: boolean): Numbered<Field> {
  return (withIpv6 ? { [field]: ipv4, [`${field}6`]: ipv6 } : { [field]: ipv4 }) as Numbered<Field>;
}
