import assert from "node:assert/strict";
import { z } from "zod";

/** An operation of the document. */
export interface Operation {
  readonly operationId?: string | undefined;
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly description: string;
        readonly content?: Readonly<Record<string, { readonly schema: Record<string, unknown> }>> | undefined;
      }
    >
  >;
}

/** The relay's OpenAPI document, as far as tests look at it. */
export interface Document {
  readonly openapi: "3.1.0";
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Record<string, unknown>>> };
}

const content = z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) }));
const operation = z.object({
  operationId: z.string().optional(),
  responses: z.record(z.string(), z.object({ description: z.string(), content: content.optional() })),
});

/** Reads it. */
export const documentSchema: z.ZodType<Document> = z.object({
  openapi: z.literal("3.1.0"),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ schemas: z.record(z.string(), z.record(z.string(), z.unknown())) }),
});

/** What of an answer is checked. */
export interface CheckedAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  /** The body as JSON, if it is such. */
  readonly json?: unknown;
}

/** Fails unless the answer is one that the operation may give, with the body that the description has for it. */
export function check({ paths, components }: Document, operationId: string, answer: CheckedAnswer): void {
  const found = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .find((each) => each.operationId === operationId);
  const described = found?.responses[answer.status];
  assert.ok(described, `${operationId} answers ${answer.status}, which is not described: ${answer.text}`);
  const [type = "", content] = Object.entries(described.content ?? {})[0] ?? [];
  assert.ok(answer.type.startsWith(type), `${operationId}: ${answer.type}`);
  if (content === undefined) {
    assert.equal(answer.text, "");
    return;
  }
  // References are to the document's own components.
  const text = JSON.stringify({ ...content.schema, $defs: components.schemas });
  const schema = z.fromJSONSchema(JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/")));
  const parsed = schema.safeParse(type.includes("json") ? answer.json : answer.text);
  assert.ok(parsed.success, `${operationId} ${answer.status}: ${parsed.error?.message} in ${answer.text}`);
}

/** The operation that a request is of, `undefined` if none is described. */
export function operationOf({ paths }: Document, method: string, path: string): string | undefined {
  const [found] = Object.entries(paths).filter(([template]) =>
    new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/%]+")}$`).test(path.split("?")[0] ?? ""),
  );
  return found?.[1][method.toLowerCase()]?.operationId;
}
