import type { ApiRelay } from "./api-relay.ts";
import { type ApiInstance, answer, apiPath, problems } from "./routes.ts";
import { keysSchema, mintedSchema, mintSchema, rotationSchema, streamParams } from "./schemas.ts";

const tags = ["keys"];

/** How long a minted credential is good unless the request says: an evening's programme or a meeting. */
const defaultLifetimeSeconds = 3_600;

/** `/streams/NAME/keys`: read, rotate, mint. */
export function addKeyRoutes(app: ApiInstance, relay: ApiRelay): void {
  const path = `${apiPath}/streams/:name/keys`;

  app.get(
    path,
    {
      schema: {
        ...{ tags, summary: "Read a stream's keys", operationId: "readKeys" },
        params: streamParams,
        response: { 200: answer("The keys.", keysSchema), ...problems(404) },
      },
    },
    async (request) => relay.keys(request.params.name),
  );

  app.post(
    `${path}/rotate`,
    {
      schema: {
        ...{ tags, summary: "Make keys anew; who has an old one is out within 30 s", operationId: "rotateKeys" },
        params: streamParams,
        body: rotationSchema,
        response: { 200: answer("The keys as they are now.", keysSchema), ...problems(400, 404, 409, 415) },
      },
    },
    (request) => relay.rotateKeys(request.params.name, request.body.which ?? "both"),
  );

  app.post(
    `${path}/mint`,
    {
      schema: {
        ...{ tags, summary: "Mint a time-limited credential", operationId: "mintKey" },
        params: streamParams,
        body: mintSchema,
        response: {
          201: answer("The credential, which is kept nowhere.", mintedSchema),
          ...problems(400, 404, 409, 415),
        },
      },
    },
    async (request, reply) => {
      const { role, lifetimeSeconds = defaultLifetimeSeconds } = request.body;
      return reply.code(201).send(relay.mintKey(request.params.name, role, lifetimeSeconds));
    },
  );
}
