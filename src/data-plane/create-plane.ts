import { PunchcastError } from "../core/errors.ts";
import type { ComponentId } from "../relay/forwarding.ts";
import { loadLibc } from "../udp/native/libc.ts";
import type { DataPlane, DataPlaneName, EngineName, PlaneCounters } from "./data-plane.ts";
import { createEbpfPlane, type EbpfPlaneOptions } from "./ebpf/ebpf-plane.ts";
import { createNatPlane, type NatPlaneOptions } from "./nat/nat-plane.ts";
import { createBatchedPlane } from "./userspace/batched/batched-plane.ts";
import { createUserspacePlane } from "./userspace/userspace-plane.ts";

/** What planes are made with; each takes its own. */
export interface PlaneOptions extends NatPlaneOptions, EbpfPlaneOptions {
  /** Of the userspace plane. Default: `dgram`. */
  readonly engine: EngineName | undefined;
  /** Told a few times a second what went by unseen, by planes to which that costs nothing. */
  readonly onUnseen: (unseen: PlaneCounters["unseen"]) => void;
  /**
   * Told of each packet that the plane carried out of sight, a few ms later, in order; `bytes` valid during the call only;
   * `atMs` is the arrival on performance.now()'s clock. Default: nobody.
   */
  readonly onMedia?: (component: ComponentId, bytes: Uint8Array, atMs: number) => void;
}

/**
 * Makes the plane of that name; nothing of the system's is changed before its `start`.
 * @throws PunchcastError UNSUPPORTED_HOST if the engine that was asked for cannot run here
 */
export async function createPlane(name: DataPlaneName, options: PlaneOptions): Promise<DataPlane> {
  if (name === "nat") return createNatPlane(options);
  if (name === "ebpf") return createEbpfPlane(options);
  const { engine, onUnseen, send } = options;
  const libc = engine === "batched" ? await loadLibc() : undefined;
  if (libc !== undefined) return createBatchedPlane({ libc, onUnseen });
  if (engine !== "batched") return createUserspacePlane(send);
  throw new PunchcastError(
    "UNSUPPORTED_HOST",
    "The engine 'batched' needs Linux on x86-64 or arm64 and the package koffi: leave the engine out.",
  );
}

/**
 * Reads an engine's name as it stands in PUNCHCAST_ENGINE; `undefined` if there is none.
 * @throws PunchcastError BAD_OPTION
 */
export function parseEngine(text: string | undefined): EngineName | undefined {
  if (text === undefined || text === "") return undefined;
  if (text === "dgram" || text === "batched") return text;
  throw new PunchcastError("BAD_OPTION", `PUNCHCAST_ENGINE is '${text}': set it to dgram or batched, or not at all.`);
}
