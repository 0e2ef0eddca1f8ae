import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { DataPlane, PlaneCounters } from "../../src/data-plane/data-plane.ts";
import type { NatTool } from "../../src/data-plane/nat/nat-backend.ts";
import type { Lab } from "../../src/lab/lab.ts";
import type { Scene } from "../../src/lab/scene.ts";
import type { ForwardingChange } from "../../src/relay/forwarding.ts";
import type { PlaneHarness } from "../data-plane/contract.ts";
import { type LineDriven, lineDriven } from "./line-driven.ts";

/** Three hosts on one segment: what a plane does needs no NAT beyond its own. */
export const planeScene: Scene = {
  publicSegment: { subnet: "10.10.10.0/24" },
  routers: [],
  hosts: [
    { name: "relay", address: "10.10.10.197" },
    { name: "S1", address: "10.10.10.175" },
    { name: "C1", address: "10.10.10.112" },
  ],
};

const [relayAddress, punchPort, ingestPorts] = ["10.10.10.197", 9000, [9099, 9100]] as const;
const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A plane that the driver can be: the nat plane with a tool, or the ebpf plane, with links or with classifiers. */
export type PlaneTool = NatTool | "ebpf" | "ebpf (clsact)" | "ebpf (tapped)";

/** The publisher's and the viewers' sockets, and planes on the relay's host. */
export interface PlaneLab {
  readonly publisher: LineDriven;
  readonly viewers: LineDriven;
  /** A new plane, not started. */
  plane(tool: PlaneTool): DataPlane & { readonly driver: LineDriven };
  /** A harness with a started plane. */
  harness(tool: PlaneTool): Promise<PlaneHarness>;
}

/** Starts the agents on a lab of `planeScene`. */
export function planeLab(lab: Lab): PlaneLab {
  const publisher = lineDriven(lab.host("S1"), "python3", [path("udp-agent.py")]);
  const viewers = lineDriven(lab.host("C1"), "python3", [path("udp-agent.py")]);
  const [publisherAddress, viewerAddress] = ["S1", "C1"].map((name) => lab.host(name).address);

  function plane(tool: PlaneTool): DataPlane & { readonly driver: LineDriven } {
    const args = [path("plane-driver.ts"), relayAddress, String(punchPort), ingestPorts.join(","), tool];
    const driver = lineDriven(lab.host("relay"), process.execPath, args);
    const counters = async (): Promise<PlaneCounters> => {
      const { holes, components, unseen } = await driver.call<Record<keyof PlaneCounters, []>>("readCounters");
      return { holes: new Map(holes), components: new Map(components), unseen: new Map(unseen) };
    };
    return {
      driver,
      name: "nat",
      holesPerComponent: 1,
      showsMedia: false,
      survivesRelay: true,
      start: (_ports, initial) => driver.call("start", initial),
      deliver: () => {},
      apply: (changes: readonly ForwardingChange[]) => driver.call("apply", changes),
      readCounters: counters,
      close: () => driver.call("close"),
    };
  }

  return {
    publisher,
    viewers,
    plane,
    async harness(tool) {
      const nat = plane(tool);
      await nat.start({ punch: punchPort, ingest: ingestPorts }, []);
      const sources = new Map<string, number>();
      for (const component of ["live/0", "live/2"]) {
        sources.set(component, await publisher.call("open", publisherAddress));
      }
      const inboxes = new Map<number, string[]>();
      const ingestOf = (component: string): number => ingestPorts[component === "live/2" ? 1 : 0];
      return {
        plane: nat,
        holesPerFlow: tool.startsWith("ebpf") ? Number.POSITIVE_INFINITY : 1,
        enforcesFlows: true,
        flow: (component) => ({
          local: { address: relayAddress, port: ingestOf(component) },
          publisher: { address: publisherAddress ?? "", port: sources.get(component) ?? 0 },
        }),
        async addReceiver() {
          const port = await viewers.call<number>("open", viewerAddress);
          inboxes.set(port, []);
          // Whoever watches has punched, so the relay's host knows the way back.
          if (tool.startsWith("ebpf")) await viewers.call("send", port, relayAddress, punchPort, ["30"]);
          return {
            target: {
              local: { address: relayAddress, port: punchPort },
              remote: { address: viewerAddress ?? "", port },
            },
            received: () => (inboxes.get(port) ?? []).map((hex) => Uint8Array.from(Buffer.from(hex, "hex"))),
          };
        },
        openPort: () => nat.driver.call("openPort"),
        publish: (component, packets) =>
          publisher.call(
            "send",
            sources.get(component),
            relayAddress,
            ingestOf(component),
            packets.map((bytes) => Buffer.from(bytes).toString("hex")),
          ),
        async settle() {
          // Everything is on one machine: what has not come within 50 ms of silence never will.
          for (let before = -1, total = 0; total !== before; ) {
            before = total;
            await delay(50);
            for (const port of inboxes.keys()) inboxes.set(port, await viewers.call("received", port));
            total = [...inboxes.values()].reduce((sum, { length }) => sum + length, 0);
          }
        },
        async close() {
          await nat.close();
          await nat.driver.kill();
        },
      };
    },
  };
}
