import type { ChildProcess, SpawnOptions } from "node:child_process";
import { PunchcastError } from "../core/errors.ts";
import { buildScript } from "./build-script.ts";
import { type CommandOutput, type Holder, type RunOptions, startHolder } from "./holder.ts";
import { checkLossPercent, type Direction } from "./nat-behaviour.ts";
import { flushRules, lossRules, tableFamilies, tableName } from "./nat-ruleset.ts";
import { whyNoLab } from "./probe.ts";
import { type LegCounters, type RouterMapping, readCounters, readMappings } from "./router-state.ts";
import { checkScene, publicSegmentName, type Scene, type SceneHost, type SceneRouter } from "./scene.ts";

/** A place in the lab where commands can be run. */
export interface LabNode {
  readonly name: string;
  /**
   * Starts a command here, with this process's folder and environment unless `options` say otherwise. The child's `kill`
   * reaches the command and its exit is the command's, but its `pid` is that of an nsenter waiting for it. A command that
   * is missing ends with code 127.
   */
  spawn(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Waits for a command. Throws `TOOL_FAILED` with the end of its error output if it fails or takes too long. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<CommandOutput>;
}

/** A machine of the scene. */
export interface LabHost extends LabNode {
  readonly address: string;
  readonly address6: string | undefined;
}

/** A router of the scene. */
export interface LabRouter extends LabNode {
  readonly publicAddress: string;
  readonly publicAddress6: string | undefined;
  /** Forgets every mapping at once, as a reboot does. */
  flush(): Promise<void>;
  /** The live UDP mappings. */
  mappings(): Promise<readonly RouterMapping[]>;
  /** Packets through the router and lost in it, out of its inside and into it. */
  counters(): Promise<Readonly<Record<Direction, LegCounters>>>;
  /** Drops `percent` (0-100, steps of 0.01) of the packets of every protocol at random, from now on. Throws `BAD_OPTION`. */
  setLoss(percent: number, direction: Direction): Promise<void>;
}

/** Networks that exist until `close`, or until this process ends, however it ends. */
export interface Lab {
  readonly scene: Scene;
  /** The public segment itself: a place to capture what passes over it, on the interface `inside`. */
  readonly publicSegment: LabNode;
  /** The host of that name. Throws `BAD_OPTION` if there is none. */
  host(name: string): LabHost;
  /** The router of that name. Throws `BAD_OPTION` if there is none. */
  router(name: string): LabRouter;
  /** Kills what runs in the lab and removes it, within 2 s; may be called again. */
  close(): Promise<void>;
}

/**
 * Builds a scene out of kernel namespaces: as root in the host's user namespace, else in one of its own.
 * Throws `BAD_OPTION` for a scene that cannot be, `UNSUPPORTED_HOST`, `TOOL_MISSING` or `NO_PRIVILEGE` for a host that
 * cannot have it, `TOOL_FAILED` if a tool fails nonetheless.
 */
export async function createLab(scene: Scene): Promise<Lab> {
  checkScene(scene);
  const holder = await orExplained(startHolder());
  try {
    await holder.run(undefined, "sh", ["-e"], { input: buildScript(scene), timeoutMs: 60_000 });
  } catch (error) {
    await holder.close();
    throw (await whyNoLab()) ?? error;
  }
  const hosts = new Map(scene.hosts.map((host) => [host.name, labHost(holder, host)]));
  const routers = new Map(scene.routers.map((router) => [router.name, labRouter(holder, router)]));
  return {
    scene,
    publicSegment: labNode(holder, publicSegmentName),
    host: (name) => found(hosts, name, "host"),
    router: (name) => found(routers, name, "router"),
    close: () => holder.close(),
  };
}

async function orExplained(starting: Promise<Holder>): Promise<Holder> {
  try {
    return await starting;
  } catch (error) {
    const reason = await whyNoLab();
    throw (
      reason ?? new PunchcastError("TOOL_FAILED", "unshare failed once and worked the next time: try again.", error)
    );
  }
}

function labNode(holder: Holder, name: string): LabNode {
  return {
    name,
    spawn: (command, args, options) => holder.spawn(name, command, args, options),
    run: (command, args, options) => holder.run(name, command, args, options),
  };
}

function labHost(holder: Holder, host: SceneHost): LabHost {
  return { ...labNode(holder, host.name), address: host.address, address6: host.address6 };
}

function labRouter(holder: Holder, router: SceneRouter): LabRouter {
  const node = labNode(holder, router.name);
  const change = async (rules: string): Promise<void> => void (await node.run("nft", ["-f", "-"], { input: rules }));
  const list = async (what: readonly string[], name: readonly string[]): Promise<string[]> =>
    Promise.all(
      tableFamilies(router).map(
        async (ip) => (await node.run("nft", ["-j", "list", ...what, ip, tableName, ...name])).stdout,
      ),
    );
  // The zone that the ruleset starts with is 1; zones have 16 bits, and by the time they come round the old is long expired.
  let generation = 1;
  return {
    ...node,
    publicAddress: router.publicAddress,
    publicAddress6: router.publicAddress6,
    flush: () => {
      generation = (generation % 65_535) + 1;
      return change(flushRules(router, router.nat, generation));
    },
    mappings: async () => readMappings(router, await list(["set"], ["flows"])),
    counters: async () => readCounters(await list(["counters", "table"], [])),
    setLoss: async (percent, direction) => {
      checkLossPercent(router.name, percent);
      await change(lossRules(router, direction, percent));
    },
  };
}

function found<T>(nodes: ReadonlyMap<string, T>, name: string, kind: string): T {
  const node = nodes.get(name);
  if (node !== undefined) return node;
  throw new PunchcastError(
    "BAD_OPTION",
    `The lab has no ${kind} "${name}": give one of ${[...nodes.keys()].join(", ")}.`,
  );
}
