import type { PlanePorts } from "../data-plane.ts";
import type { Mapping, MappingCounts } from "./mapping.ts";

/** The tool that a backend drives. */
export type NatTool = "nft" | "iptables" | "iptables-nft" | "iptables-legacy";

/** Puts mappings into the kernel with one tool. What it leaves there is its own: marked `punch`, apart from anyone else's. */
export interface NatBackend {
  readonly tool: NatTool;
  /** Mappings that are in the kernel now, whoever put them there; none if there is nothing of Punchcast's. */
  readMappings(): Promise<Mapping[]>;
  /** Makes the kernel's rules exactly those for `ports` and `mappings`, in one step per table. */
  install(ports: PlanePorts, mappings: readonly Mapping[]): Promise<void>;
  /** Adds mappings, in one step per table. */
  add(mappings: readonly Mapping[]): Promise<void>;
  /** Takes mappings out, in one step per table; what they counted can still be read. */
  cut(mappings: readonly Mapping[]): Promise<void>;
  /** What was counted, by `countKey`, since a mapping with that key was added. */
  readCounts(): Promise<ReadonlyMap<string, MappingCounts>>;
  /** Forgets what these mappings counted. */
  forget(mappings: readonly Mapping[]): Promise<void>;
  /** Removes all that Punchcast ever put there with this tool; true if there was something. */
  remove(): Promise<boolean>;
  /** Has tool and kernel take everything that a mapping needs, and leaves nothing. Fails as the tool does. */
  rehearse(ports: PlanePorts): Promise<void>;
  /** What `install` would do, as text for people. */
  describe(ports: PlanePorts, mappings: readonly Mapping[]): string;
}
