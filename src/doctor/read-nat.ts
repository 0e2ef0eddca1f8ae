import { chooseTool, createBackend, tryBackend } from "../data-plane/nat/choose-backend.ts";
import { readHostNetwork } from "../data-plane/nat/host-network.ts";
import { runTool } from "../data-plane/nat/run-tool.ts";
import type { RelayNeed } from "./check.ts";
import type { Fact } from "./facts.ts";
import { attempt } from "./run-command.ts";

/** Lets the nat plane try its tool, its rights and the kernel, as it does itself before it starts. */
export function tryNatPlane({ ports: [punch, ...ingest] }: RelayNeed): Promise<Fact<true>> {
  return attempt(async () => {
    const tool = await chooseTool(process.env.PUNCHCAST_NAT_TOOL);
    const { families } = await readHostNetwork();
    const ports = { punch: punch?.port ?? 0, ingest: ingest.map(({ port }) => port) };
    await tryBackend(createBackend(tool, runTool, families), runTool, ports);
    return true as const;
  });
}
