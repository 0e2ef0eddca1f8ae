import type { ApiRelay } from "./api-relay.ts";
import { type ApiInstance, answer, apiPath, empty, problems } from "./routes.ts";
import { newStreamSchema, streamListSchema, streamParams, streamPatchSchema, streamSchema } from "./schemas.ts";

const tags = ["streams"];

/** `/streams`: list, create, read, change, delete. */
export function addStreamRoutes(app: ApiInstance, relay: ApiRelay): void {
  const list = `${apiPath}/streams`;
  const one = `${list}/:name`;

  app.get(
    list,
    {
      schema: {
        tags,
        summary: "List the streams",
        operationId: "listStreams",
        response: { 200: answer("All of them.", streamListSchema), ...problems() },
      },
    },
    async () => ({ streams: await relay.streams() }),
  );

  app.post(
    list,
    {
      schema: {
        ...{ tags, summary: "Create a stream, which lasts over restarts", operationId: "createStream" },
        body: newStreamSchema,
        response: { 201: answer("It is there.", streamSchema), ...problems(400, 409, 415) },
      },
    },
    async (request, reply) => {
      const created = await relay.createStream(request.body);
      return reply.code(201).header("location", `${list}/${created.name}`).send(created);
    },
  );

  app.get(
    one,
    {
      schema: {
        ...{ tags, summary: "Read a stream", operationId: "readStream" },
        params: streamParams,
        response: { 200: answer("The stream.", streamSchema), ...problems(404) },
      },
    },
    (request) => relay.stream(request.params.name),
  );

  app.patch(
    one,
    {
      schema: {
        ...{ tags, summary: "Change a stream that was created here", operationId: "changeStream" },
        params: streamParams,
        body: streamPatchSchema,
        response: { 200: answer("As it is now.", streamSchema), ...problems(400, 404, 409, 415) },
      },
    },
    (request) => relay.changeStream(request.params.name, request.body),
  );

  app.delete(
    one,
    {
      schema: {
        ...{ tags, summary: "Delete a stream that was created here", operationId: "deleteStream" },
        params: streamParams,
        response: { 204: empty, ...problems(404, 409) },
      },
    },
    async (request, reply) => {
      await relay.deleteStream(request.params.name);
      return reply.code(204).send(null);
    },
  );
}
