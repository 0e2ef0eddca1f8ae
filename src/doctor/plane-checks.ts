import type { DataPlaneName } from "../data-plane/data-plane.ts";
import type { Check, RelayNeed, Remedy } from "./check.ts";
import type { HostFacts } from "./facts.ts";
import { checkForwarding } from "./kernel-checks.ts";
import { hasCapability, installLine, missingTools, netAdminRemedy } from "./rights-checks.ts";

/** What a plane could do on this host. */
export interface PlaneReadiness extends Remedy {
  readonly plane: DataPlaneName;
  readonly ready: boolean;
  /** The first thing that is missing. */
  readonly reason?: string;
}

/** The planes that there are, and the first reason why one would not work here. */
const planes: Readonly<Record<DataPlaneName, (facts: HostFacts, need: RelayNeed) => Omit<PlaneReadiness, "plane">>> = {
  userspace: () => ({ ready: true }),
  nat: natReadiness,
  ebpf: ({ ebpfPlane }) =>
    ebpfPlane.ok ? { ready: true } : { ready: false, reason: ebpfPlane.reason, remedy: "Use --plane userspace." },
};

/** What each plane could do here, whichever was chosen. */
export function readPlanes(facts: HostFacts, need: RelayNeed): PlaneReadiness[] {
  const names = Object.keys(planes) as DataPlaneName[];
  return names.map((plane) => ({ plane, ...planes[plane](facts, { ...need, plane }) }));
}

/** The same as checks. */
export function checkPlanes(facts: HostFacts, need: RelayNeed): Check[] {
  return readPlanes(facts, need).map(({ plane, ready, reason, ...remedy }) => ({
    check: `plane-${plane}`,
    group: "planes",
    status: ready ? "ok" : plane === need.plane ? "failed" : "unneeded",
    found: `${plane}: ${ready ? "ready" : `not ready, ${reason}`}${plane === need.plane ? " (chosen)" : ""}`,
    ...remedy,
  }));
}

function natReadiness(facts: HostFacts, need: RelayNeed): Omit<PlaneReadiness, "plane"> {
  const lacks = (reason: string, remedy: Remedy): Omit<PlaneReadiness, "plane"> => ({
    ready: false,
    reason,
    ...remedy,
  });
  if (facts.platform !== "linux") {
    return lacks(`it needs Linux, not ${facts.platform}`, { remedy: "Use --plane userspace." });
  }
  const [missing] = missingTools(facts);
  if (missing !== undefined) {
    return lacks(`${missing} is missing`, { remedy: `Install ${missing}.`, command: installLine(missing) });
  }
  if (hasCapability(facts, "CAP_NET_ADMIN") === false) return lacks("CAP_NET_ADMIN is missing", netAdminRemedy);
  if (!facts.natPlane.ok) {
    const remedy = "Load what it needs, or use --plane userspace.";
    const command = "sudo modprobe -a nf_tables nft_nat nf_conntrack_netlink";
    return lacks(facts.natPlane.reason, { remedy, command });
  }
  const blocked = checkForwarding(facts, need).find(({ status }) => status === "failed");
  if (blocked === undefined) return { ready: true };
  const { found, remedy = "", command = "" } = blocked;
  return lacks(found, { remedy, command });
}
