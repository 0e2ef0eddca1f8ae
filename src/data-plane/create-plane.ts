import type { DataPlane, DataPlaneName } from "./data-plane.ts";
import { createUserspacePlane, type PacketSender } from "./userspace/userspace-plane.ts";

/** Makes the plane of that name; nothing is touched before its `start`. */
export function createPlane(_name: DataPlaneName, send: PacketSender): DataPlane {
  return createUserspacePlane(send);
}
