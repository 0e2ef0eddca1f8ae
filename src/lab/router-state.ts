import type { Endpoint } from "../core/address.ts";
import { PunchcastError } from "../core/errors.ts";
import type { Direction } from "./nat-behaviour.ts";
import type { NatAddresses } from "./nat-ruleset.ts";

/** One live UDP flow through a router, as the seed's address table shows it. */
export interface RouterMapping {
  readonly internal: Endpoint;
  /** On the router's public side; what the remote sees. */
  readonly mapped: Endpoint;
  readonly remote: Endpoint;
  /** Packets in both directions since the mapping was made. */
  readonly packets: number;
  /** Bytes of IP in both directions. */
  readonly bytes: number;
  /** How long the mapping lasts if no packet comes any more. */
  readonly expiresMs: number;
}

/** Packets through a router in one direction, of every protocol, since the lab was built. */
export interface LegCounters {
  readonly packetsForwarded: number;
  readonly bytesForwarded: number;
  /** Dropped by the loss that the router was given. */
  readonly packetsLost: number;
}

/** Reads what `nft -j list set FAMILY lab flows` printed, for each of the router's families. */
export function readMappings(router: NatAddresses, listings: readonly string[]): RouterMapping[] {
  return listings
    .flatMap(objectsOf)
    .flatMap((object) => elementsOf(object))
    .map((element) => {
      const [internal, internalPort, mappedPort, remote, remotePort] = list(field(field(element, "val"), "concat"));
      const isIpv6 = text(internal).includes(":");
      const counter = field(element, "counter");
      return {
        internal: { address: text(internal), port: number(internalPort) },
        mapped: { address: (isIpv6 ? router.publicAddress6 : router.publicAddress) ?? "", port: number(mappedPort) },
        remote: { address: text(remote), port: number(remotePort) },
        packets: number(field(counter, "packets")),
        bytes: number(field(counter, "bytes")),
        expiresMs: number(field(element, "expires")) * 1000,
      };
    });
}

/** Reads what `nft -j list counters table FAMILY lab` printed, and adds the families up. */
export function readCounters(listings: readonly string[]): Readonly<Record<Direction, LegCounters>> {
  const counters = listings.flatMap(objectsOf).map((object) => field(object, "counter"));
  const sum = (name: string, unit: string): number =>
    counters
      .filter((counter) => field(counter, "name") === name)
      .reduce<number>((total, counter) => total + number(field(counter, unit)), 0);
  const leg = (direction: Direction): LegCounters => ({
    packetsForwarded: sum(`forwarded_${direction}`, "packets"),
    bytesForwarded: sum(`forwarded_${direction}`, "bytes"),
    packetsLost: sum(`lost_${direction}`, "packets"),
  });
  return { in: leg("in"), out: leg("out") };
}

function objectsOf(listing: string): unknown[] {
  try {
    return list(field(JSON.parse(listing), "nftables"));
  } catch (error) {
    throw new PunchcastError("TOOL_FAILED", "nft -j printed no JSON: install an nftables built with JSON.", error);
  }
}

function elementsOf(object: unknown): unknown[] {
  return list(field(field(object, "set"), "elem")).map((element) => field(element, "elem"));
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
