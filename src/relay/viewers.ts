import { formatEndpoint } from "../core/address.ts";
import type { Hole } from "./holes.ts";

/**
 * Names the party that a hole belongs to, among those of its stream: the session, which all of a viewer's holes share; of a
 * bare hole, which proves nothing of the kind, `bare-<component>-<host:port>`.
 */
export function viewerOf({ id, by, component, remote }: Pick<Hole, "id" | "by" | "component" | "remote">): string {
  return by === "bare" ? `bare-${component}-${formatEndpoint(remote)}` : (id.split("/")[1] ?? id);
}
