import { z } from "zod";
import type { Metrics } from "../metrics/metrics.ts";
import { type ApiInstance, answer, problems } from "./routes.ts";

/** `/metrics`: the figures for Prometheus. */
export function addMetricsRoute(app: ApiInstance, metrics: Metrics): void {
  app.get(
    "/metrics",
    {
      schema: {
        ...{ tags: ["metrics"], summary: "Read the figures for Prometheus", operationId: "readMetrics" },
        response: { 200: answer("Prometheus text format 0.0.4.", z.string(), "text/plain"), ...problems() },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()),
  );
}
