import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Endpoint } from "../../src/core/address.ts";
import { createLab, type Lab } from "../../src/lab/lab.ts";
import { type FrameOptions, udpFrame } from "./frames.ts";
import { type LineDriven, lineDriven } from "./line-driven.ts";

/** The hosts' addresses by IP version. */
export const relay = { 4: "10.10.10.197", 6: "fd00:10::197" } as const;
export const viewer = { 4: "10.10.10.112", 6: "fd00:10::112" } as const;
/** Whom the frames are from. */
export const publisher = {
  4: { address: "192.0.2.9", port: 9099 },
  6: { address: "2001:db8::9", port: 9099 },
} as const;

const punchcast = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));

/** What the program said and did. */
export interface Outcome {
  readonly verdict: number;
  readonly isUnchanged: boolean;
  readonly isWrittenDown: boolean;
  readonly holes: readonly (readonly [string, { readonly packets: number; readonly bytes: number }])[];
}

/** The ebpf plane's program, attached to nothing, and a viewer of it. */
export interface Bench {
  readonly program: LineDriven;
  /** The host that it runs on. */
  readonly host: ReturnType<Lab["host"]>;
  run(from: Endpoint, to: Endpoint, frame: FrameOptions, segmentBytes?: number, times?: number): Promise<Outcome>;
  /** What the viewer got since it was asked last: payload, source address and port. */
  received(family: 4 | 6): Promise<(readonly [string, string, number])[]>;
  close(): Promise<void>;
}

let lab: Lab | undefined;

/** Ends the lab that all benches of a file share; to be called after its tests. */
export const closeBenches = async (): Promise<void> => lab?.close();

async function bench(requestsPerSecond = 0): Promise<Bench> {
  lab ??= await createLab({
    publicSegment: { subnet: "10.10.10.0/24", subnet6: "fd00:10::/64" },
    routers: [],
    hosts: [
      { name: "relay", address: relay[4], address6: relay[6] },
      { name: "C1", address: viewer[4], address6: viewer[6] },
    ],
  });
  // The ring takes more than what fits through Ethernet's usual 1,500 bytes.
  for (const name of ["relay", "C1"]) await lab.host(name).run("ip", ["link", "set", "eth0", "mtu", "3000"]);
  const viewers = lineDriven(lab.host("C1"), "python3", [punchcast("udp-agent.py")]);
  const program = lineDriven(lab.host("relay"), process.execPath, [
    punchcast("ebpf-run.ts"),
    String(requestsPerSecond),
  ]);
  const ports = { 4: 0, 6: 0 };
  const seen = { 4: 0, 6: 0 };
  for (const family of [4, 6] as const) {
    ports[family] = await viewers.call("open", viewer[family]);
    // The relay's host learns the viewer's Ethernet address from its punch.
    for (let attempt = 0; attempt < 100; attempt += 1) {
      await viewers.call("send", ports[family], relay[family], 9000, ["30"]);
      const { stdout } = await lab.host("relay").run("ip", ["neigh", "show", viewer[family]]);
      if (stdout.includes("lladdr")) break;
      await delay(20);
    }
    const local = { address: relay[family], port: 9000 };
    const component = `live/${family}`;
    const flow = { local: { address: relay[family], port: 9099 }, publisher: publisher[family] };
    await program.call("setFlow", component, flow, "fan-out");
    const remote = { address: viewer[family], port: ports[family] };
    assert.equal(await program.call("setHole", `hole-${family}`, component, { local, remote }), true);
  }
  return {
    program,
    host: lab.host("relay"),
    run: (from, to, frame, segmentBytes = 0, times = 1) =>
      program.call("run", udpFrame(from, to, frame).toString("hex"), segmentBytes, times),
    async received(family) {
      await delay(30);
      const all = await viewers.call<(readonly [string, string, number])[]>("from", ports[family]);
      const fresh = all.slice(seen[family]);
      seen[family] = all.length;
      return fresh.map(([payload, address, port]) => [payload, address, port]);
    },
    close: async () => void (await Promise.all([viewers.kill(), program.kill()])),
  };
}

/** Runs a test with a bench of its own, in a lab that all of a file share. */
export async function withBench(body: (bench: Bench) => Promise<void>, requestsPerSecond = 0): Promise<void> {
  const made = await bench(requestsPerSecond);
  try {
    await body(made);
  } finally {
    await made.close();
  }
}
