import type { FastifyInstance } from "fastify";
import { HttpProblem } from "./problem.ts";

/** What health is read from. */
export interface HealthSource {
  /** The relay takes punches and media. */
  isReady(): boolean;
}

/** `GET /healthz`: the process answers. `GET /readyz`: the relay works. Both need no key and tell nothing else. */
export function addHealthRoutes(app: FastifyInstance, relay: HealthSource): void {
  const tags = ["health"];
  app.get("/healthz", { schema: { tags, summary: "Tell that the process answers" } }, async () => ({ status: "ok" }));
  app.get("/readyz", { schema: { tags, summary: "Tell that the relay takes punches and media" } }, async () => {
    if (!relay.isReady()) throw new HttpProblem(503, "RELAY_REFUSED", "The relay is starting or stopping.");
    return { status: "ok" };
  });
}
