import { createHash } from "node:crypto";
import { formatEndpoint, sameEndpoint } from "../../core/address.ts";
import type { Flow, HoleTarget } from "../../relay/forwarding.ts";
import type { Counters } from "../data-plane.ts";
import { writeAddress, writePort } from "./layout.ts";

/** Nothing carried. */
export const none: Counters = { packets: 0, bytes: 0, drops: 0 };

/** The 64 bits that stand for a name in the kernel; never 0. */
export function idOf(name: string): bigint {
  return createHash("sha256").update(name).digest().readBigUInt64LE(0) | 1n;
}

/** Adds counters up. */
export function plus(a: Counters = none, b: Counters = none): Counters {
  return { packets: a.packets + b.packets, bytes: a.bytes + b.bytes, drops: a.drops + b.drops };
}

/** The difference of counters. */
export function minus(a: Counters, b: Counters): Counters {
  return { packets: a.packets - b.packets, bytes: a.bytes - b.bytes, drops: a.drops - b.drops };
}

/** A flow as a key of a map of this process. */
export function flowText({ local, publisher }: Flow): string {
  return `${formatEndpoint(publisher)} ${formatEndpoint(local)}`;
}

/** True if both are from the same publisher to the same port. */
export function sameFlow(a: Flow, b: Flow): boolean {
  return sameEndpoint(a.publisher, b.publisher) && sameEndpoint(a.local, b.local);
}

/** True if both lead the same way. */
export function sameTarget(a: HoleTarget, b: HoleTarget): boolean {
  return sameEndpoint(a.remote, b.remote) && sameEndpoint(a.local, b.local);
}

/** The first bytes of a slot of `holes`, which say where it leads. */
export function targetBytes({ local, remote }: HoleTarget): Buffer {
  const bytes = Buffer.alloc(36);
  writeAddress(bytes, 0, local.address);
  writeAddress(bytes, 16, remote.address);
  writePort(bytes, 32, local.port);
  writePort(bytes, 34, remote.port);
  return bytes;
}
