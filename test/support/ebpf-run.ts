/*
 * The ebpf plane's program in a host of the lab, attached to nothing and driven line by line: `["run", frame in hex, bytes of
 * a segment, times]` runs it on a crafted frame (BPF_PROG_TEST_RUN) and answers what it said and did the last time.
 *
 *   ebpf-run.ts REQUESTS-PER-SECOND
 */
import { createInterface } from "node:readline";
import { addressFamily } from "../../src/core/address.ts";
import { bpfCommands, openKernel } from "../../src/data-plane/ebpf/bpf-syscall.ts";
import { allowLookups } from "../../src/data-plane/ebpf/forwarding-switch.ts";
import { createKernelTable } from "../../src/data-plane/ebpf/kernel-table.ts";
import { configOffsets, endpointKey, ringBytes } from "../../src/data-plane/ebpf/layout.ts";
import { createLeftToUser } from "../../src/data-plane/ebpf/left-to-user.ts";
import { openMaps } from "../../src/data-plane/ebpf/maps.ts";
import { loadProgram } from "../../src/data-plane/ebpf/program.ts";
import { openTap } from "../../src/data-plane/ebpf/tap.ts";
import type { Flow } from "../../src/relay/forwarding.ts";

const kernel = await openKernel();
const maps = openMaps(kernel);
const program = await loadProgram(kernel, (name) => maps.fds.get(name));
const table = createKernelTable(maps, () => Number(process.hrtime.bigint()) / 1e6);
const config = new BigUint64Array(maps.memory("config"));
const rate = Number(process.argv[2]);
config[configOffsets.interval / 8] = rate > 0 ? BigInt(Math.round(1e9 / rate)) : 0n;
config[configOffsets.burst / 8] = 1_000_000_000n;
await allowLookups();
const left = createLeftToUser(config, maps.table("unfanned"));
const [ring, page] = [maps.fds.get("tap") ?? -1, kernel.pageBytes];
const tap = openTap({
  consumer: kernel.map(ring, page),
  producer: kernel.map(ring, page + 2 * ringBytes, { offset: page, isReadOnly: true }),
  dataOffset: page,
});

function run(hex: string, segmentBytes = 0, times = 1): unknown {
  for (let time = 1; time < times; time += 1) runOnce(hex, segmentBytes);
  return runOnce(hex, segmentBytes);
}

/** Takes what was in the ring as the plane does: payloads, and the ports that user space sent each to. */
function late(): unknown[] {
  const found: unknown[] = [];
  tap.drain(100_000, (walked, bytes) => {
    const to: number[] = [];
    const component = table.componentOf(walked.fanout) ?? "";
    table.sendLate(component, walked, { bytes, send: (_local, { port }) => to.push(port) > 0 });
    found.push([Buffer.from(bytes).toString("hex"), to]);
  });
  return found;
}

/** Takes an original that came up as the plane does: the ports that user space sent it to, or what else was said of it. */
function deliver(component: string, flow: Flow, hex: string): unknown {
  const bytes = Buffer.from(hex, "hex");
  const was = left.take(flow, bytes, process.hrtime.bigint());
  if (was === "whole") return was;
  const to: number[] = [];
  const family = addressFamily(flow.publisher.address);
  table.sendLeft(component, family, was, { bytes, send: (_local, { port }) => to.push(port) > 0 });
  return to;
}

/** What was in the ring: the component, the payload, and how long ago it came, in ms. */
function tapped(): unknown[] {
  const found: unknown[] = [];
  const now = Number(process.hrtime.bigint()) / 1e6;
  tap.drain(100_000, ({ fanout }, bytes, atMs) =>
    found.push([table.componentOf(fanout), Buffer.from(bytes).toString("hex"), now - atMs]),
  );
  return found;
}

function runOnce(hex: string, segmentBytes: number): unknown {
  const [frame, out, attr] = [Buffer.from(hex, "hex"), Buffer.alloc(1 << 16), Buffer.alloc(144)];
  // struct __sk_buff up to gso_size.
  const context = Buffer.alloc(180);
  if (segmentBytes > 0) {
    context.writeUInt32LE(Math.ceil((frame.length - 42) / segmentBytes), 164);
    context.writeUInt32LE(segmentBytes, 176);
  }
  const before = config[configOffsets.unfanned / 8] ?? 0n;
  const result = kernel.bpf(
    bpfCommands.testRun,
    [
      [0, program],
      [8, frame.length],
      [12, out.length],
      [16, frame],
      [24, out],
      [40, context.length],
      [48, context],
    ],
    attr,
  );
  if (result < 0) throw new Error(`BPF_PROG_TEST_RUN: error ${-result}`);
  return {
    verdict: attr.readInt32LE(4),
    isUnchanged: out.subarray(0, attr.readUInt32LE(12)).equals(frame),
    isWrittenDown: (config[configOffsets.unfanned / 8] ?? 0n) > before,
    holes: [...table.holes()],
  };
}

const methods: Readonly<Record<string, (...args: never[]) => unknown>> = {
  run,
  setFlow: table.setFlow,
  setHole: table.setHole,
  closeHole: table.closeHole,
  setOriginals: table.setOriginals,
  deliver,
  late,
  tapped,
  untapped: table.untapped,
  unseen: () => [...table.unseen()],
  knowViewer: table.knowViewer,
  listen: (address: string, port: number, kind: number) =>
    maps.table("listening").set(endpointKey({ address, port }), Buffer.from([kind, 0, 0, 0])),
};

for await (const line of createInterface(process.stdin)) {
  const [method, ...args] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ value: methods[method]?.(...(args as never[])) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
process.exit();
