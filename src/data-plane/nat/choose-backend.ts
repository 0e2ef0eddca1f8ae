import { PunchcastError } from "../../core/errors.ts";
import type { PlanePorts } from "../data-plane.ts";
import { createIptablesBackend } from "./iptables/iptables-backend.ts";
import type { NatBackend, NatTool } from "./nat-backend.ts";
import { createNftablesBackend } from "./nftables/nftables-backend.ts";
import { isInstalled, missing, type RunTool } from "./run-tool.ts";

/** Every tool, the best first. */
export const natTools: readonly NatTool[] = ["nft", "iptables", "iptables-nft", "iptables-legacy"];

/** Makes the backend of a tool, for the IP versions that the host forwards. */
export function createBackend(tool: NatTool, run: RunTool, families: readonly (4 | 6)[]): NatBackend {
  return tool === "nft" ? createNftablesBackend(run) : createIptablesBackend(run, tool, families);
}

/**
 * The tool that this host offers; `wanted` (PUNCHCAST_NAT_TOOL) names one.
 * @throws PunchcastError UNSUPPORTED_HOST, TOOL_MISSING, BAD_OPTION
 */
export async function chooseTool(wanted: string | undefined): Promise<NatTool> {
  if (process.platform !== "linux") {
    throw new PunchcastError(
      "UNSUPPORTED_HOST",
      `The nat plane needs Linux, not ${process.platform}: start with --plane userspace.`,
    );
  }
  const tool = natTools.find((name) => name === wanted);
  if (wanted !== undefined && tool === undefined) {
    throw new PunchcastError(
      "BAD_OPTION",
      `PUNCHCAST_NAT_TOOL is '${wanted}': set it to one of ${natTools.join(", ")}, or not at all.`,
    );
  }
  if (!(await isInstalled("conntrack"))) throw missing("conntrack");
  for (const candidate of tool === undefined ? (["nft", "iptables"] as const) : [tool]) {
    if (await isInstalled(candidate)) return candidate;
  }
  throw missing(tool ?? "nft");
}

/**
 * Tries tool, rights and kernel without leaving or changing anything.
 * @throws PunchcastError NO_PRIVILEGE, UNSUPPORTED_HOST or TOOL_FAILED
 */
export async function tryBackend(backend: NatBackend, run: RunTool, ports: PlanePorts): Promise<void> {
  try {
    await run("conntrack", ["-C"]);
    await backend.rehearse(ports);
  } catch (error) {
    if (!(error instanceof PunchcastError) || error.code !== "TOOL_FAILED") throw error;
    throw new PunchcastError(
      "UNSUPPORTED_HOST",
      `This kernel cannot do the nat plane's work (${error.message}) It needs nf_tables or ip_tables, nf_nat and ` +
        "nf_conntrack: load them (sudo modprobe -a nf_tables nft_nat nf_conntrack_netlink), or start with --plane userspace.",
      error,
    );
  }
}
