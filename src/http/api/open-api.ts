import swagger from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from "fastify-type-provider-zod";
import { renderReference } from "./reference-page.ts";
import { schemaNames } from "./schemas.ts";

const description =
  "What a Punchcast relay's HTTP port does. Requests with a lock need the admin token; those for SDPs take a stream's key, " +
  "as docs/http.md tells. What does not succeed is `application/problem+json`.";

/** Has every route that is added from now on described. To be called before them. */
export async function collectRoutes(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Punchcast relay", version, description, license: { name: "Apache-2.0" } },
      components: {
        securitySchemes: {
          adminToken: { type: "http", scheme: "bearer" },
          streamKey: { type: "http", scheme: "bearer", description: "A stream's key; docs/http.md has other ways." },
        },
      },
    },
    transform: createJsonSchemaTransform({ schemaRegistry: schemaNames }),
    transformObject: createJsonSchemaTransformObject({ schemaRegistry: schemaNames }),
  });
}

/** `GET /openapi.json`, and `GET /reference`: the same for people. Neither needs a key nor holds one. */
export function addDescriptionRoutes(app: FastifyInstance): void {
  app.get("/openapi.json", { schema: { hide: true } }, async () => describe(app));
  app.get("/reference", { schema: { hide: true } }, async (_request, reply) =>
    reply
      .type("text/html; charset=utf-8")
      .header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")
      .send(renderReference(describe(app))),
  );
}

/** The description, without the shapes that no route has: each is made twice, for bodies and for answers. */
function describe(app: FastifyInstance): unknown {
  const document = app.swagger();
  const { schemas = {}, ...components } = "components" in document ? (document.components ?? {}) : {};
  const isUsed = (name: string, by: unknown): boolean => JSON.stringify(by).includes(`"#/components/schemas/${name}"`);
  const used = Object.entries(schemas).filter(([name]) => isUsed(name, document.paths) || isUsed(name, schemas));
  return { ...document, components: { ...components, schemas: Object.fromEntries(used) } };
}
