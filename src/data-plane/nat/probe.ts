import { PunchcastError } from "../../core/errors.ts";
import type { PlanePorts } from "../data-plane.ts";
import { chooseTool, createBackend, tryBackend } from "./choose-backend.ts";
import { readHostNetwork } from "./host-network.ts";
import type { NatTool } from "./nat-backend.ts";
import { findObstacles, type Obstacle } from "./obstacles.ts";
import { runTool } from "./run-tool.ts";
import { readSwitch } from "./switches.ts";

/** What the nat plane could do on this host. */
export interface NatPlaneProbe {
  /** The tool that it would drive; `undefined` if there is none. */
  readonly tool: NatTool | undefined;
  /** Why it would not start; `undefined` if it would. */
  readonly problem: PunchcastError | undefined;
  /** IP versions that the kernel would carry; the others stay in user space. */
  readonly families: readonly (4 | 6)[];
  /** True if the kernel forwards already; else the relay switches that on while it runs. */
  readonly forwards: boolean;
  /** What would keep it from carrying media although it starts, or would divert some. */
  readonly obstacles: readonly Obstacle[];
}

/** Tries tool, rights and kernel, and looks at what others have set up. Changes nothing; throws for defects only. */
export async function probeNatPlane(ports: PlanePorts): Promise<NatPlaneProbe> {
  let tool: NatTool | undefined;
  const { families } = await readHostNetwork();
  const forwards = (await readSwitch("net/ipv4/ip_forward")) === "1";
  try {
    tool = await chooseTool(process.env.PUNCHCAST_NAT_TOOL);
    await tryBackend(createBackend(tool, runTool, families), runTool, ports);
    const obstacles = await findObstacles(ports, tool, runTool);
    return { tool, problem: undefined, families, forwards, obstacles };
  } catch (error) {
    if (!(error instanceof PunchcastError)) throw error;
    return { tool, problem: error, families, forwards, obstacles: [] };
  }
}
