import { createServer, type Server } from "node:net";
import { PunchcastError, systemErrorCode } from "../../core/errors.ts";
import type { DataPlaneName } from "../data-plane.ts";

/** A name that only one process of a network namespace can have at a time; the kernel frees it when the process ends. */
const nameOf = (plane: DataPlaneName): string => `\0punchcast-${plane}`;

/** Holds the right to change this host's rules until it is called. */
export type ReleasePlane = () => Promise<void>;

/**
 * Makes this process the only one that changes this host's rules: a second relay would take them for what a killed one left.
 * @throws PunchcastError PLANE_IN_USE
 */
export async function lockPlane(plane: DataPlaneName = "nat"): Promise<ReleasePlane> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(systemErrorCode(error) === "EADDRINUSE" ? inUse(plane, error) : error));
    server.listen({ path: nameOf(plane) }, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function inUse(plane: DataPlaneName, cause: unknown): PunchcastError {
  return new PunchcastError(
    "PLANE_IN_USE",
    `A relay with --plane ${plane} runs on this host already: stop that one first, or give it the streams of both (--config).`,
    cause,
  );
}
