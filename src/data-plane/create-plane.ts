import { PunchcastError } from "../core/errors.ts";
import { loadLibc } from "../udp/native/libc.ts";
import type { DataPlane, DataPlaneName, EngineName, MediaListener, PlaneCounters } from "./data-plane.ts";
import { createEbpfPlane, type EbpfPlaneOptions } from "./ebpf/ebpf-plane.ts";
import { createNatPlane, type NatPlaneOptions } from "./nat/nat-plane.ts";
import { createBatchedPlane } from "./userspace/batched/batched-plane.ts";
import { createUserspacePlane } from "./userspace/userspace-plane.ts";

/** What planes are made with; each takes its own. */
export interface PlaneOptions extends NatPlaneOptions, EbpfPlaneOptions {
  /** Of the userspace plane. Default: `batched` where it can run, else `dgram`. */
  readonly engine: EngineName | undefined;
  /** Told a few times a second what went by unseen, by planes to which that costs nothing. */
  readonly onUnseen: (unseen: PlaneCounters["unseen"]) => void;
  /** Default: nobody listens, and no copies are made. */
  readonly onMedia?: MediaListener;
}

/**
 * Makes the plane of that name; nothing of the system's is changed before its `start`.
 * @throws PunchcastError UNSUPPORTED_HOST if the engine that was asked for cannot run here
 */
export async function createPlane(name: DataPlaneName, options: PlaneOptions): Promise<DataPlane> {
  if (name === "nat") return createNatPlane(options);
  if (name === "ebpf") return createEbpfPlane(options);
  const { engine, onUnseen, onMedia, send } = options;
  const libc = engine === "dgram" ? undefined : await loadLibc();
  if (libc !== undefined) return createBatchedPlane({ libc, onUnseen, onMedia });
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
