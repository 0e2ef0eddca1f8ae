import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { type Holder, startHolder } from "../../src/lab/holder.ts";
import { allowedCpus } from "./cpu.ts";

/** Where the bench's traffic goes: source, relay and sink, three namespaces in a row over two veth pairs. */
export const addresses = {
  source: "10.1.0.1",
  /** The relay's side of each pair. */
  relayIngest: "10.1.0.2",
  relayPunch: "10.2.0.1",
  sink: "10.2.0.2",
} as const;

/** A namespace of the bench. */
export type Place = "source" | "relay" | "sink";

/** The bench's network; everything in it ends with this process. */
export interface BenchNetwork {
  /** The CPU that each place's programs run on: the relay's has one of its own if this process may use two. */
  readonly cpuOf: Readonly<Record<Place, number>>;
  spawn(place: Place, command: string, args: readonly string[]): ChildProcess;
  run(place: Place, command: string, args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** By interface: fixed, so that neighbours can be told who is who. */
const hardware = { s0: "02:00:00:00:00:01", r0: "02:00:00:00:00:02", r1: "02:00:00:00:00:03", k0: "02:00:00:00:00:04" };

// Neighbours are told, not found: a burst that had to wait for the answer would be cut to what the kernel queues meanwhile.
const script = `
for place in source relay sink; do ip netns add $place; ip -n $place link set lo up; done
ip link add s0 address ${hardware.s0} netns source type veth peer name r0 address ${hardware.r0} netns relay
ip link add r1 address ${hardware.r1} netns relay type veth peer name k0 address ${hardware.k0} netns sink
ip -n source addr add ${addresses.source}/24 dev s0
ip -n relay addr add ${addresses.relayIngest}/24 dev r0
ip -n relay addr add ${addresses.relayPunch}/24 dev r1
ip -n sink addr add ${addresses.sink}/24 dev k0
for link in source:s0 relay:r0 relay:r1 sink:k0; do ip -n \${link%:*} link set \${link#*:} up; done
ip -n source neigh add ${addresses.relayIngest} lladdr ${hardware.r0} dev s0
ip -n relay neigh add ${addresses.source} lladdr ${hardware.s0} dev r0
ip -n relay neigh add ${addresses.sink} lladdr ${hardware.k0} dev r1
ip -n sink neigh add ${addresses.relayPunch} lladdr ${hardware.r1} dev k0
ip -n source route add default via ${addresses.relayIngest}
ip -n sink route add default via ${addresses.relayPunch}
`;

// The generator's bursts are cut up before they reach the relay, as on a wire.
const uncut = "ip -n source link set s0 gso_max_segs 1";

/** Builds it. */
export async function createBenchNetwork(): Promise<BenchNetwork> {
  const holder: Holder = await startHolder();
  await holder.run(undefined, "sh", ["-e"], { input: `${script}${uncut}\n` });
  // The kernel takes up to a second to call a new device running, and a relay binds the addresses of running devices.
  await delay(1_500);
  const cpus = allowedCpus();
  const [first = 0, last = first] = [cpus[0], cpus.at(-1)];
  const cpuOf = { source: first, relay: last, sink: first };
  return {
    cpuOf,
    spawn: (place, command, args) =>
      holder.spawn(place, "taskset", ["-c", String(cpuOf[place]), command, ...args], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    run: async (place, command, args) => (await holder.run(place, command, args)).stdout,
    close: () => holder.close(),
  };
}
