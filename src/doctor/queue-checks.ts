import type { Check, RelayNeed } from "./check.ts";
import type { HostFacts, TransmitQueue } from "./facts.ts";
import { readSwitch } from "./kernel-checks.ts";

/** Packets that wait for a CPU; below Linux's own default of 1,000 other traffic's bursts may be lost, too. */
const leastBacklog = 1_000;

/**
 * What a queue must hold where the kernel clones: a frame of 4 Mbit/s video at 30 a second, 13 packets, to each viewer at once.
 * A hundred viewers are what one takes such a plane for; a host that serves fewer can leave the warning.
 */
const packetsPerFrame = 13;
const viewersWanted = 100;

/** What the remedies set: a thousand viewers' frames. A queue takes memory only while packets are in it. */
const roomyPackets = 13_000;

/** The limits, in packets, that these queueing disciplines have of their own (tc-fq_codel(8), tc-fq(8)), unless they are told others. */
const ownLimits: Readonly<Record<string, number>> = { fq_codel: 10_240, fq: 10_000 };

/** The queues that a frame's packets to all viewers stand in at once. */
export function checkQueues(facts: HostFacts, need: RelayNeed): Check[] {
  if (facts.platform !== "linux") return [];
  const clones = need.plane === "ebpf" || (need.plane === "auto" && facts.ebpfPlane.ok);
  return [checkBacklog(facts, clones), ...(clones ? checkTransmitQueues(facts) : [])];
}

function checkBacklog(facts: HostFacts, clones: boolean): Check {
  const check = { check: "backlog", group: "sockets" } as const;
  const packets = readSwitch(facts, "net.core.netdev_max_backlog");
  if (packets === undefined) {
    return {
      ...check,
      status: "unknown",
      found: "net.core.netdev_max_backlog is shown in the host's own network only",
    };
  }
  const found = `net.core.netdev_max_backlog = ${packets}${clones ? `: ${carried(packets)}` : ""}`;
  if (packets >= (clones ? packetsPerFrame * viewersWanted : leastBacklog)) return { ...check, status: "ok", found };
  return {
    ...check,
    status: "warning",
    found: clones
      ? `${found}; what is more is lost on the way to containers and virtual machines`
      : `${found}: bursts may be lost`,
    remedy: "Let more packets wait for a CPU.",
    command: `sudo sysctl -w net.core.netdev_max_backlog=${clones ? roomyPackets : leastBacklog}`,
  };
}

function checkTransmitQueues({ defaultRoutes }: HostFacts): Check[] {
  const routes = defaultRoutes.ok ? defaultRoutes.value : [];
  const byName = new Map(routes.map((route) => [route.interface, route.queue]));
  return [...byName].map(([name, queue]) => {
    const check = { check: "transmit-queue", group: "sockets" } as const;
    if (!queue.ok) return { ...check, status: "unknown", found: queue.reason };
    const packets = limitOf(queue.value);
    if (packets === undefined) return { ...check, status: "ok", found: `${name} has no queue of its own` };
    const found = `${name} queues ${packets} packets (${queue.value.discipline}): ${carried(packets)}`;
    if (packets >= packetsPerFrame * viewersWanted) return { ...check, status: "ok", found };
    return {
      ...check,
      status: "warning",
      found: `${found}; what is more may be lost there`,
      remedy: "Let the interface queue more.",
      command: `sudo ip link set dev ${name} txqueuelen ${roomyPackets}`,
    };
  });
}

function limitOf({ discipline, length }: TransmitQueue): number | undefined {
  return discipline === "noqueue" ? undefined : (ownLimits[discipline] ?? length);
}

function carried(packets: number): string {
  return `frames of ${packetsPerFrame} packets to ${Math.floor(packets / packetsPerFrame)} viewers`;
}
