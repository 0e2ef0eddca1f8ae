import type { PunchcastError } from "../core/errors.ts";
import type { DataPlaneName } from "./data-plane.ts";
import { probeEbpf } from "./ebpf/probe.ts";

/** A plane, or the best that this host has. */
export type PlaneChoice = DataPlaneName | "auto";

/**
 * The plane for a choice. `auto` is ebpf where that can be had, else userspace; `tell` hears which it became and why.
 * @param probe default: tries it on this host
 */
export async function choosePlane(
  choice: PlaneChoice,
  tell: (message: string) => void,
  probe: () => Promise<PunchcastError | undefined> = probeEbpf,
): Promise<DataPlaneName> {
  if (choice !== "auto") return choice;
  const obstacle = await probe();
  tell(
    obstacle === undefined
      ? "--plane auto took ebpf: this kernel and these rights allow it."
      : `--plane auto took userspace. ${obstacle.message}`,
  );
  return obstacle === undefined ? "ebpf" : "userspace";
}
