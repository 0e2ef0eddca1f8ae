import type { ForwardingChange } from "../../relay/forwarding.ts";
import type { Counters, DataPlane, PlaneCounters, PlanePorts } from "../data-plane.ts";
import { createUserspacePlane, type PacketSender } from "../userspace/userspace-plane.ts";
import { chooseTool, createBackend, tryBackend } from "./choose-backend.ts";
import { carrierOf, deleteTracked, inTheWayOf, type Original, ownFirst } from "./conntrack.ts";
import { listLocalAddresses, readHostNetwork, readLocalAddresses } from "./host-network.ts";
import { countKey, createForwardingState, mappingKey, type OwnedMapping } from "./mapping.ts";
import type { NatBackend } from "./nat-backend.ts";
import { findObstacles } from "./obstacles.ts";
import { lockPlane, type ReleasePlane } from "./plane-lock.ts";
import { runTool } from "./run-tool.ts";
import { putSwitchesBack, type SwitchStore, switchForwardingOn } from "./switches.ts";
import { createKernelTallies } from "./tallies.ts";

/** What a nat plane is made with. */
export interface NatPlaneOptions {
  /** Sends what comes up to user space all the same. */
  readonly send: PacketSender;
  /** Where the kernel's switches are remembered as they were found. */
  readonly switches: SwitchStore;
  /** Told what on this host would keep media from flowing, with the remedy. */
  readonly warn: (message: string) => void;
  /** `nft`, `iptables`, `iptables-nft` or `iptables-legacy`. Default: the first of them that is installed. */
  readonly tool?: string | undefined;
}

/**
 * The plane of the seed: the kernel translates the publisher's packets to the viewer's mapped address and back again.
 * It carries one viewer per component. What it cannot carry (a publisher or viewer on this very host, IPv4 to IPv6) comes
 * up to user space and is delivered from there, as are the packets of the moments in which the rules change.
 */
export function createNatPlane({ send, switches, warn, tool }: NatPlaneOptions): DataPlane {
  const run = runTool;
  const userspace = createUserspacePlane(send);
  const state = createForwardingState();
  const tallies = createKernelTallies();
  let running:
    | { backend: NatBackend; ports: PlanePorts; families: ReadonlySet<4 | 6>; release: ReleasePlane }
    | undefined;
  let installed = new Map<string, OwnedMapping>();
  let last: Promise<unknown> = Promise.resolve();

  /** One after the other: every step starts from what the one before has left in the kernel. */
  function inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  }

  function note(changes: readonly ForwardingChange[]): void {
    for (const change of changes) {
      if (change.type === "close-hole") tallies.closeHole(change.hole);
      else if (change.type === "open-hole" && state.componentOf(change.hole) !== change.component)
        tallies.openHole(change.hole);
      state.apply(change);
    }
  }

  function desired(families: ReadonlySet<4 | 6>): Map<string, OwnedMapping> {
    return new Map(state.mappings(readLocalAddresses(), families).map((mapping) => [mappingKey(mapping), mapping]));
  }

  async function collect(): Promise<void> {
    if (running === undefined || installed.size === 0) return;
    const counts = await running.backend.readCounts();
    const isMissing = [...installed.values()].some((mapping) => !counts.has(countKey(mapping)));
    if (isMissing) throw new Error("the counters of open holes are gone");
    tallies.take(counts, installed.values());
  }

  /** Rules can be wiped by others: a firewall that loads anew, a `nft flush ruleset`. */
  async function collectOrRepair(): Promise<void> {
    try {
      await collect();
    } catch (error) {
      warn(`Somebody removed or changed the nat plane's rules (${message(error)}); they are put in again.`);
      await reinstall();
    }
  }

  async function reinstall(): Promise<void> {
    if (running === undefined) return;
    for (const mapping of installed.values()) tallies.restart(countKey(mapping));
    installed = desired(running.families);
    await running.backend.install(running.ports, [...installed.values()]);
    await deleteTracked(run, [...installed.values()].flatMap(inTheWayOf));
  }

  async function sync(): Promise<void> {
    if (running === undefined) return;
    const { backend, families } = running;
    const wanted = desired(families);
    const removed = missingIn(installed, wanted);
    const added = missingIn(wanted, installed);
    if (removed.length > 0) {
      // From here on these packets are not tracked: they come up and are delivered to where they belong now.
      const asMeant = await changeRules(() => backend.cut(removed));
      await deleteTracked(run, removed.map(carrierOf));
      if (!asMeant) return;
      tallies.take(await backend.readCounts(), installed.values());
      await backend.forget(removed);
      for (const mapping of removed) tallies.restart(countKey(mapping));
    }
    installed = wanted;
    if (added.length === 0) return;
    // No packet can make such an entry anew before the mapping is there, since what has no mapping is not tracked.
    await deleteTracked(run, added.flatMap(inTheWayOf));
    await changeRules(() => backend.add(added));
  }

  /** False if all rules had to be put in anew, with counters at zero. */
  async function changeRules(change: () => Promise<void>): Promise<boolean> {
    try {
      await change();
      return true;
    } catch (error) {
      warn(`The nat plane's rules were not as it left them (${message(error)}); they are put in again.`);
      await reinstall();
      return false;
    }
  }

  async function start(ports: PlanePorts, initial: readonly ForwardingChange[]): Promise<void> {
    const chosen = await chooseTool(tool);
    const { families, interfaces } = await readHostNetwork();
    const backend = createBackend(chosen, run, families);
    const release = await lockPlane();
    let undo = async (): Promise<unknown> => undefined;
    try {
      await tryBackend(backend, run, ports);
      undo = () => putSwitchesBack(switches);
      await switchForwardingOn(families, interfaces, switches);
      const found = new Map((await backend.readMappings()).map((mapping) => [mappingKey(mapping), mapping]));
      note(initial);
      const adopted = desired(new Set(families));
      undo = () => Promise.allSettled([backend.remove(), putSwitchesBack(switches)]);
      await backend.install(ports, [...adopted.values()]);
      running = { backend, ports, families: new Set(families), release };
      installed = adopted;
      // What was there and stays is not touched: its packets flow on.
      const gone: Original[] = missingIn(found, adopted).map(carrierOf);
      await deleteTracked(run, [...gone, ...missingIn(adopted, found).flatMap(inTheWayOf)]);
    } catch (error) {
      running = undefined;
      await undo().catch(() => {});
      await release();
      throw error;
    }
    for (const { sentence } of await findObstacles(ports, chosen, run)) warn(sentence);
  }

  /** All rules are put in anew; what comes meanwhile is delivered from user space. */
  async function setPorts(ports: PlanePorts): Promise<void> {
    if (running === undefined || String(running.ports.ingest) === String(ports.ingest)) return;
    await collectOrRepair();
    running = { ...running, ports };
    await reinstall();
  }

  async function stop(): Promise<void> {
    const flows = state.flows().map(({ publisher, local }) => ({ from: publisher, to: local }));
    state.clear();
    if (running === undefined) return;
    const { backend, ports, release } = running;
    running = undefined;
    try {
      await backend.remove();
      // The last moments of the rules can leave entries without a mapping, where a publisher sends on and a viewer leaves.
      const left = [...flows, ...ownFirst(ports.punch, listLocalAddresses())];
      await deleteTracked(run, [...[...installed.values()].map(carrierOf), ...left]);
      await putSwitchesBack(switches);
    } finally {
      await release();
    }
  }

  return {
    name: "nat",
    holesPerComponent: 1,
    showsMedia: false,
    survivesRelay: true,

    async start(ports, initial) {
      await userspace.start(ports, initial);
      await inTurn(() => start(ports, initial));
    },

    setPorts: (ports) => inTurn(() => setPorts(ports)),

    // What comes up was not forwarded by the kernel.
    deliver: (component, bytes, flow) => userspace.deliver(component, bytes, flow),

    async apply(changes) {
      await userspace.apply(changes);
      await inTurn(async () => {
        if (opensAnew(changes)) await collectOrRepair();
        note(changes);
        await sync();
      });
    },

    readCounters: () =>
      inTurn(async () => {
        await collectOrRepair();
        const above = await userspace.readCounters();
        const sum = (a: ReadonlyMap<string, Counters>, b: ReadonlyMap<string, Counters>): PlaneCounters["holes"] =>
          new Map([...a.keys(), ...b.keys()].map((id) => [id, plus(a.get(id), b.get(id))]));
        return {
          holes: sum(above.holes, tallies.holes),
          components: sum(above.components, tallies.components),
          unseen: new Map([...tallies.unseen].map(([id, { packets, bytes }]) => [id, { packets, bytes }])),
        };
      }),

    async close() {
      await userspace.close();
      await inTurn(stop);
    },
  };
}

/** True if a hole that the kernel may have counted for starts again at zero. */
function opensAnew(changes: readonly ForwardingChange[]): boolean {
  return changes.some(({ type }) => type === "close-hole") && changes.some(({ type }) => type === "open-hole");
}

function missingIn<T>(from: ReadonlyMap<string, T>, others: ReadonlyMap<string, unknown>): T[] {
  return [...from].filter(([key]) => !others.has(key)).map(([, value]) => value);
}

function plus(a: Counters | undefined, b: Counters | undefined): Counters {
  return {
    packets: (a?.packets ?? 0) + (b?.packets ?? 0),
    bytes: (a?.bytes ?? 0) + (b?.bytes ?? 0),
    drops: (a?.drops ?? 0) + (b?.drops ?? 0),
  };
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
