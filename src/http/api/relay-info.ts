import type { ApiRelay } from "./api-relay.ts";
import { type ApiInstance, answer, apiPath, problems } from "./routes.ts";
import { relayInfoSchema } from "./schemas.ts";

/** `/relay`: what and how it is. */
export function addRelayRoute(app: ApiInstance, relay: ApiRelay): void {
  app.get(
    `${apiPath}/relay`,
    {
      schema: {
        ...{ tags: ["relay"], summary: "Read what the relay is and has refused", operationId: "readRelay" },
        response: { 200: answer("The relay.", relayInfoSchema), ...problems() },
      },
    },
    () => relay.info(),
  );
}
