import type { DataPlane, DataPlaneName } from "./data-plane.ts";
import { createNatPlane, type NatPlaneOptions } from "./nat/nat-plane.ts";
import { createUserspacePlane } from "./userspace/userspace-plane.ts";

/** Makes the plane of that name; nothing is touched before its `start`. */
export function createPlane(name: DataPlaneName, options: NatPlaneOptions): DataPlane {
  return name === "nat" ? createNatPlane(options) : createUserspacePlane(options.send);
}
