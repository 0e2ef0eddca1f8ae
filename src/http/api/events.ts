import { z } from "zod";
import type { EventHub } from "./event-hub.ts";
import { type ApiInstance, answer, apiPath, problems } from "./routes.ts";

const description =
  "Server-sent events: `event` is the kind and `data` the JSON object that `punchcast relay --json` prints, with `time`. " +
  "Nothing is repeated to whoever comes back: read the streams anew.";

/** `/events`: everything that the relay tells, as it happens. */
export function addEventRoute(app: ApiInstance, hub: EventHub): void {
  app.get(
    `${apiPath}/events`,
    {
      schema: {
        ...{ tags: ["events"], summary: "Follow what happens", operationId: "followEvents", description },
        response: { 200: answer("Does not end by itself.", z.string(), "text/event-stream"), ...problems() },
      },
    },
    (_request, reply) => {
      // A proxy that buffers (nginx) would hold events back.
      reply.raw.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      reply.hijack();
      hub.add(reply.raw);
    },
  );
}
