/*
 * Reads an ebpf plane's pinned counters, as anybody with the rights may while it runs or after it was killed: prints one JSON
 * object with the packets that came in, those that went to holes, and how often a packet was not sent, by reason.
 */
import { openKernel } from "../../src/data-plane/ebpf/bpf-syscall.ts";
import { openHoleTable } from "../../src/data-plane/ebpf/hole-table.ts";
import { configOffsets, mapDefinitions, notSentReasons } from "../../src/data-plane/ebpf/layout.ts";
import { openPinned } from "../../src/data-plane/ebpf/maps.ts";
import { pinFolder, pinnedNames } from "../../src/data-plane/ebpf/pins.ts";

const kernel = await openKernel();
const folder = await pinFolder();
const memory = (name: "holes" | "fanouts" | "config"): ArrayBuffer => {
  const { valueBytes, entries } = mapDefinitions[name];
  return kernel.map(openPinned(kernel, `${folder}/${name}`) ?? -1, valueBytes * entries);
};
const table = openHoleTable(memory("holes"), memory("fanouts"));
const config = new BigUint64Array(memory("config"));
const fanouts = [...Array(16).keys()].map((fanout) => fanout + 1);
console.log(
  JSON.stringify({
    pins: await pinnedNames(folder),
    arrived: fanouts.reduce((sum, fanout) => sum + table.arrived(fanout).packets, 0),
    holes: table.linked().map(({ slot }) => table.counters(slot)),
    reasons: Object.fromEntries(
      notSentReasons.map((reason, i) => [reason, fanouts.reduce((sum, id) => sum + (table.reasons(id)[i] ?? 0), 0)]),
    ),
    limited: [1, 2].map((kind) => Number(config[configOffsets.limited / 8 + kind])),
    unfanned: Number(config[configOffsets.unfanned / 8]),
  }),
);
