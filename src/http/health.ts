import type { FastifyInstance } from "fastify";
import { HttpProblem } from "./problem.ts";

/** What health is read from. */
export interface HealthSource {
  /** The relay takes punches and media. */
  isReady(): boolean;
}

/** `GET /healthz`: the process answers. `GET /readyz`: the relay works. Both need no key and tell nothing else. */
export function addHealthRoutes(app: FastifyInstance, relay: HealthSource): void {
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async () => {
    if (!relay.isReady()) throw new HttpProblem(503, "RELAY_REFUSED", "The relay is starting or stopping.");
    return { status: "ok" };
  });
}
