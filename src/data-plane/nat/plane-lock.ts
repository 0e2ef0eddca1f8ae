import { createServer, type Server } from "node:net";
import { PunchcastError, systemErrorCode } from "../../core/errors.ts";

/** A name that only one process of a network namespace can have at a time; the kernel frees it when the process ends. */
const name = "\0punchcast-nat";

/** Holds the right to change this host's rules until it is called. */
export type ReleasePlane = () => Promise<void>;

/**
 * Makes this process the only one that changes this host's rules: a second relay would take them for what a killed one left.
 * @throws PunchcastError PLANE_IN_USE
 */
export async function lockPlane(): Promise<ReleasePlane> {
  const server: Server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(systemErrorCode(error) === "EADDRINUSE" ? inUse(error) : error));
    server.listen({ path: name }, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function inUse(cause: unknown): PunchcastError {
  return new PunchcastError(
    "PLANE_IN_USE",
    "A relay with --plane nat runs on this host already: stop that one first, or give it the streams of both (--config).",
    cause,
  );
}
