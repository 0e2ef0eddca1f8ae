import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { problemSchema } from "./schemas.ts";

/** A part of the HTTP server whose routes are described by schemas. */
export type ApiInstance = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Where the API is; its version, not Punchcast's. */
export const apiPath = "/api/v1";

/** An answer as the description has it. */
export interface AnswerSchema {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>>;
}

/** An answer of this shape. */
export function answer(description: string, schema: z.ZodType, type = "application/json"): AnswerSchema {
  return { description, content: { [type]: { schema } } };
}

/** An answer without a body. */
export const empty: z.ZodNull = z.null();

const meanings = {
  400: "The request does not fit.",
  401: "The admin token is missing or wrong.",
  403: "The API is off, or answers on the relay's own host only.",
  404: "There is no such stream or viewer.",
  409: "What is there stands against it.",
  415: "The body is no JSON.",
  429: "Too many wrong tokens came from this address.",
} as const;

/** The answers that are no success: those of every route, and `more`. */
export function problems(...more: readonly (400 | 404 | 409 | 415)[]): Record<number, AnswerSchema> {
  const statuses = [401, 403, 429, ...more] as const;
  return Object.fromEntries(
    statuses.map((status) => [status, answer(meanings[status], problemSchema, "application/problem+json")]),
  );
}
