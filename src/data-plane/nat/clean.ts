import { readFile } from "node:fs/promises";
import { createBackend } from "./choose-backend.ts";
import { carrierOf, deleteTracked } from "./conntrack.ts";
import { lockPlane } from "./plane-lock.ts";
import { isInstalled, type RunTool, runTool } from "./run-tool.ts";
import { putSwitchesBack, type SwitchStore } from "./switches.ts";

/**
 * Removes everything that a nat plane ever left on this host, with whichever tool it was put there: rules, tracked
 * connections of the streams, and the kernel's switches as far as `switches` knows how they were. Says what it removed.
 * @throws PunchcastError PLANE_IN_USE while a relay runs, NO_PRIVILEGE, TOOL_FAILED
 */
export async function cleanNatPlane(switches: SwitchStore, run: RunTool = runTool): Promise<string[]> {
  if (process.platform !== "linux") return [];
  const release = await lockPlane();
  try {
    const removed: string[] = [];
    const canTrack = await isInstalled("conntrack");
    for (const { tool, family } of await presentTools()) {
      const backend = createBackend(tool, run, [family]);
      const mappings = await backend.readMappings();
      if (!(await backend.remove())) continue;
      removed.push(tool === "nft" ? "the nftables table inet punchcast" : `rules marked punch (${tool}, IPv${family})`);
      if (canTrack) await deleteTracked(run, mappings.map(carrierOf));
      if (mappings.length > 0) removed.push(`${mappings.length} mappings and what was tracked for them`);
    }
    if (await putSwitchesBack(switches)) removed.push("changes of kernel switches");
    return removed;
  } finally {
    await release();
  }
}

/** The tools to ask, each once: `iptables` itself is one of its two kinds. */
async function presentTools(): Promise<{ tool: "nft" | "iptables-nft" | "iptables-legacy"; family: 4 | 6 }[]> {
  const present: { tool: "nft" | "iptables-nft" | "iptables-legacy"; family: 4 | 6 }[] = [];
  if (await isInstalled("nft")) present.push({ tool: "nft", family: 4 });
  for (const family of [4, 6] as const) {
    const name = family === 6 ? "ip6tables" : "iptables";
    if (await isInstalled(`${name}-nft-save`)) present.push({ tool: "iptables-nft", family });
    // Asking iptables-legacy for a table makes it: ask only where there is one.
    const tables = await readFile(`/proc/net/${family === 6 ? "ip6" : "ip"}_tables_names`, "utf8").catch(() => "");
    if (tables.trim() !== "" && (await isInstalled(`${name}-legacy-save`))) {
      present.push({ tool: "iptables-legacy", family });
    }
  }
  return present;
}
