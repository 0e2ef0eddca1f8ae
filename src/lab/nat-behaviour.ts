import { PunchcastError } from "../core/errors.ts";

/** What a NAT's mapping or filtering depends on (RFC 4787 §4.1, §5): nothing, the remote address, or its port as well. */
export type Dependence = "endpoint-independent" | "address-dependent" | "address-and-port-dependent";

/** The three words in the order of growing strictness, for help texts and for tests that go through all of them. */
export const dependences: readonly Dependence[] = [
  "endpoint-independent",
  "address-dependent",
  "address-and-port-dependent",
];

/** Into the router's inside (`in`) or out of it (`out`), seen from the hosts behind it. */
export type Direction = "in" | "out";

/** How one router translates UDP. Every combination can be made. */
export interface NatBehaviour {
  /** For which remotes an internal endpoint keeps its mapped endpoint (RFC 4787 §4.1). */
  readonly mapping: Dependence;
  /** Who may send to a mapped endpoint: anyone, the addresses sent to, or exactly the endpoints sent to (RFC 4787 §5). */
  readonly filtering: Dependence;
  /**
   * `preserved`: the mapped port is the internal one while it is free, so a mapping that depends on the remote keeps it
   * for the first remote and draws a random one for the others (RFC 4787 §4.2.1). `random`: always drawn, 1024-65535.
   */
  readonly ports: "preserved" | "random";
  /**
   * How long a mapping lasts without a packet in either direction, in milliseconds; default 120,000 (RFC 4787 REQ-5).
   * Rounded up to whole seconds, the unit in which the kernel counts.
   */
  readonly mappingTimeoutMs?: number;
  /** Percentage of packets dropped at random in each direction, in steps of 0.01; default 0. */
  readonly lossPercent?: Partial<Readonly<Record<Direction, number>>>;
}

/** What most home routers do, and what Linux does by itself: ports kept, only the endpoint sent to may answer. */
export const homeNat: NatBehaviour = {
  mapping: "endpoint-independent",
  filtering: "address-and-port-dependent",
  ports: "preserved",
};

/** The mapping timeout in whole seconds. */
export function mappingTimeoutSeconds(nat: NatBehaviour): number {
  return Math.ceil((nat.mappingTimeoutMs ?? 120_000) / 1000);
}

/** Throws `BAD_OPTION` if a value that came from a command line or a scene is not one that a router can have. */
export function checkNatBehaviour(router: string, nat: NatBehaviour): void {
  checkWord(router, "mapping", nat.mapping, dependences);
  checkWord(router, "filtering", nat.filtering, dependences);
  checkWord(router, "ports", nat.ports, ["preserved", "random"]);
  const timeoutMs = nat.mappingTimeoutMs ?? 1000;
  if (!(timeoutMs > 0 && timeoutMs <= 86_400_000)) {
    throw refusal(router, `a mapping timeout of ${timeoutMs} ms`, "give more than 0 and at most a day (86400000)");
  }
  checkLossPercent(router, nat.lossPercent?.in ?? 0);
  checkLossPercent(router, nat.lossPercent?.out ?? 0);
}

/** Throws `BAD_OPTION` unless `percent` is 0-100. */
export function checkLossPercent(router: string, percent: number): void {
  if (!(percent >= 0 && percent <= 100)) throw refusal(router, `a loss of ${percent} %`, "give 0 to 100");
}

function checkWord(router: string, field: string, word: string, words: readonly string[]): void {
  if (!words.includes(word)) throw refusal(router, `${field} "${word}"`, `give one of ${words.join(", ")}`);
}

function refusal(router: string, what: string, remedy: string): PunchcastError {
  return new PunchcastError("BAD_OPTION", `Router ${router} cannot have ${what}: ${remedy}.`);
}
