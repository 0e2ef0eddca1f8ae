import type { FastifyInstance } from "fastify";
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import type { Clock } from "../../core/clock.ts";
import { createMetrics } from "../metrics/metrics.ts";
import { type AdminAccess, createAdminGuard } from "./admin-guard.ts";
import type { ApiRelay } from "./api-relay.ts";
import { createEventHub } from "./event-hub.ts";
import { addEventRoute } from "./events.ts";
import { addKeyRoutes } from "./keys.ts";
import { addMetricsRoute } from "./metrics.ts";
import { addRelayRoute } from "./relay-info.ts";
import { addStreamRoutes } from "./streams.ts";
import { addViewerRoutes } from "./viewers.ts";

/** What the API is started with. */
export interface ApiOptions extends AdminAccess {
  readonly relay: ApiRelay;
  /** Whether the metrics have series for each viewer. Default true. */
  readonly viewerMetrics?: boolean;
}

/** Adds everything that needs the admin token. */
export async function addApi(app: FastifyInstance, options: ApiOptions, clock: Clock): Promise<void> {
  const { relay, viewerMetrics = true } = options;
  const guard = createAdminGuard(options, clock);
  await app.register(async (scope) => {
    const api = scope.withTypeProvider<ZodTypeProvider>();
    api.setValidatorCompiler(validatorCompiler);
    api.setSerializerCompiler(serializerCompiler);
    // What is no JSON is refused here, not read as bytes.
    api.removeAllContentTypeParsers();
    const parseJson = api.getDefaultJsonParser("error", "error");
    api.addContentTypeParser("application/json", { parseAs: "string" }, parseJson);
    // Before the body is read: who has no token need not send one.
    api.addHook("onRequest", async (request) => guard(request));
    api.addHook("onRoute", (route) => {
      route.schema = { ...route.schema, security: [{ adminToken: [] }] };
    });
    const hub = createEventHub(relay, clock);
    const metrics = createMetrics({ relay, viewers: viewerMetrics, eventFollowers: () => hub.size });
    api.addHook("preClose", async () => hub.close());
    api.addHook("onClose", async () => metrics.close());
    addRelayRoute(api, relay);
    addStreamRoutes(api, relay);
    addKeyRoutes(api, relay);
    addViewerRoutes(api, relay);
    addEventRoute(api, hub);
    addMetricsRoute(api, metrics);
  });
}
