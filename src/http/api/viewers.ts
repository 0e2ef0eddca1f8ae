import type { ApiRelay } from "./api-relay.ts";
import { type ApiInstance, answer, apiPath, empty, problems } from "./routes.ts";
import { streamParams, viewerListSchema, viewerParams } from "./schemas.ts";

const tags = ["viewers"];

/** `/streams/NAME/viewers`: list, kick. */
export function addViewerRoutes(app: ApiInstance, relay: ApiRelay): void {
  const path = `${apiPath}/streams/:name/viewers`;

  app.get(
    path,
    {
      schema: {
        ...{ tags, summary: "List who watches a stream", operationId: "listViewers" },
        params: streamParams,
        response: { 200: answer("Those who watch.", viewerListSchema), ...problems(404) },
      },
    },
    async (request) => ({ viewers: await relay.viewers(request.params.name) }),
  );

  app.delete(
    `${path}/:viewer`,
    {
      schema: {
        ...{ tags, summary: "Kick a viewer; only another key keeps it out for good", operationId: "kickViewer" },
        params: viewerParams,
        response: { 204: empty, ...problems(404) },
      },
    },
    async (request, reply) => {
      relay.kick(request.params.name, request.params.viewer);
      return reply.code(204).send(null);
    },
  );
}
