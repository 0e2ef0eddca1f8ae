import { type Check, groups, type RelayNeed, type Status } from "./check.ts";
import type { HostFacts } from "./facts.ts";
import { checkFirewall } from "./firewall-checks.ts";
import { checkHost } from "./host-checks.ts";
import { checkForwarding } from "./kernel-checks.ts";
import { checkNetwork } from "./network-checks.ts";
import { checkPlanes, type PlaneReadiness, readPlanes } from "./plane-checks.ts";
import { checkRights } from "./rights-checks.ts";
import { checkSockets } from "./socket-checks.ts";
import { checkState } from "./state-check.ts";

/** What came of looking at a host. */
export interface Examination {
  /** In the order of `groups`. */
  readonly checks: readonly Check[];
  readonly planes: readonly PlaneReadiness[];
  /** True if the relay would work: nothing failed. */
  readonly works: boolean;
  /** How many checks ended in each way. */
  readonly counts: Readonly<Record<Status, number>>;
}

/** Judges what was read of a host by what the relay needs. */
export function examine(facts: HostFacts, need: RelayNeed): Examination {
  const checkers = [
    checkHost,
    checkRights,
    checkNetwork,
    checkSockets,
    checkForwarding,
    checkFirewall,
    checkState,
    checkPlanes,
  ];
  const all = checkers.flatMap((checker) => checker(facts, need));
  // One order of fields in every line of JSON.
  const ordered = all.map(({ check, group, status, found, ...remedy }) => ({ check, group, status, found, ...remedy }));
  const checks = groups.flatMap((group) => ordered.filter((check) => check.group === group));
  const counts: Record<Status, number> = { ok: 0, warning: 0, failed: 0, unknown: 0, unneeded: 0 };
  for (const { status } of checks) counts[status] += 1;
  return { checks, planes: readPlanes(facts, need), works: counts.failed === 0, counts };
}
