import type { Load } from "../harness/load.ts";
import type { Machine } from "../harness/machine.ts";

/** One way of loading a relay. `id` is `VIEWERSxLOAD`, as in `500x4M-b13`. */
export interface LoadCase extends Load {
  readonly id: string;
  readonly title: string;
  readonly viewers: number;
  /** How long it is measured. */
  readonly seconds: number;
}

/** The case of the same load to one viewer, as plain routing is measured with. */
export function floorId(caseId: string): string {
  return caseId.replace(/^\d+x/, "1x");
}

/** What one run of one contender in one case gave, by name: numbers with their unit in the name. */
export interface Sample {
  readonly case: string;
  readonly contender: string;
  readonly round: number;
  readonly figures: Readonly<Record<string, number>>;
}

/** All of a bench's figures, as they are kept in bench/results/latest.json. */
export interface Results {
  readonly machine: Machine;
  /** How it was called and how long it took. */
  readonly run: { readonly rounds: number; readonly minutes: number; readonly quick: boolean };
  readonly contenders: readonly { readonly id: string; readonly name: string; readonly settings: string }[];
  readonly cases: readonly LoadCase[];
  readonly samples: readonly Sample[];
  /** A sentence for each contender that could not be measured somewhere. */
  readonly failures: readonly string[];
}

/** Cases that are no load case: their figures are asked for by these names. */
export const otherCases = {
  /** What the generator can do alone. */
  generator: "generator",
  /** The highest rate that loses at most 0.1 %. */
  highestRate: "highest-rate",
  /** From a punch to the first packet. */
  join: "join",
  /** A minute of 4 Mbit/s to 1,000 viewers. */
  endurance: "endurance",
  /** Viewers with the agent's own code. */
  agents: "agents",
} as const;
