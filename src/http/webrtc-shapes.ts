import type { FastifyInstance, FastifySchema } from "fastify";
import { z } from "zod";
import { type AnswerSchema, answer, empty } from "./api/routes.ts";
import { problemSchema } from "./api/schemas.ts";

const sdp = "application/sdp";
const fragment = "application/trickle-ice-sdpfrag";

const meanings = {
  400: "The body is no SDP.",
  401: "The key is missing or wrong, or there is no such stream.",
  403: "Whoever runs the relay has ended this session.",
  404: "No name can be that, or nothing is there (yet).",
  406: "Nothing of the stream plays in this browser; `tracks` tells why, and what the sender can do.",
  412: "If-Match names another ICE session.",
  413: "The body is larger than any SDP.",
  415: "Content-Type says something else.",
  422: "The offer cannot be answered, or asks for an ICE restart, of which there are none.",
  428: "If-Match is missing.",
  429: "Too many wrong keys came from this address.",
  503: "WebRTC does not run here, or too many browsers are connected.",
} as const;

function problems(...statuses: readonly (keyof typeof meanings)[]): Record<number, AnswerSchema> {
  return Object.fromEntries(
    statuses.map((status) => [status, answer(meanings[status], problemSchema, "application/problem+json")]),
  );
}

const stream = { name: z.string().max(64).describe("The stream.") };
const session = { ...stream, session: z.string().describe("As the Location of the 201 has it.") };
const security = [{ streamKey: [] }];

/** How the exchange in one direction is described; `base` is `whep` or `whip`. */
export function describeExchange(base: "whep" | "whip"): Record<"post" | "patch" | "delete", FastifySchema> {
  const tags = [base];
  const [what, whose] = base === "whep" ? ["Watch", "Viewer"] : ["Publish", "Publisher"];
  return {
    post: {
      ...{ tags, security, operationId: `begin${whose}`, consumes: [sdp], params: z.object(stream), body: z.string() },
      summary: `${what} in a browser: an SDP offer for an answer (${base === "whep" ? "WHEP" : "WHIP, RFC 9725"})`,
      response: {
        201: answer("The session, as Location and ETag name it; the body is the answer.", z.string(), sdp),
        ...problems(400, 401, 404, ...(base === "whep" ? ([406] as const) : []), 413, 415, 422, 429, 503),
      },
    },
    patch: {
      ...{ tags, security, operationId: `trickle${whose}`, consumes: [fragment] },
      summary: "Tell candidates, which the relay does not need",
      params: z.object(session),
      headers: z.object({ "if-match": z.string().optional().describe("The ETag of the 201; required.") }),
      body: z.string(),
      response: { 204: empty, ...problems(401, 403, 404, 412, 413, 415, 422, 428, 429) },
    },
    delete: {
      ...{ tags, security, operationId: `end${whose}`, summary: "End a session", params: z.object(session) },
      response: { 204: empty, ...problems(401, 403, 404, 429) },
    },
  };
}

const outlook = z.object({
  track: z.int().describe("Counted from 1."),
  kind: z.enum(["audio", "video", "unknown"]),
  codec: z.string().optional(),
  plays: z.enum(["yes", "no", "depends", "not-yet"]),
  message: z.string().optional().describe("What is wrong, and what the sender can do about it."),
});

/** How the page's routes are described. */
export const pageSchemas: Readonly<Record<"page" | "status", FastifySchema>> = {
  page: {
    ...{ tags: ["watch"], operationId: "watchPage", params: z.object(stream) },
    summary: "A page that plays the stream, for who has #key=KEY at the URL's end",
    response: { 200: answer("The page; it is the same for all streams.", z.string(), "text/html"), ...problems(404) },
  },
  status: {
    ...{ tags: ["watch"], security, operationId: "readPlayable", params: z.object(stream) },
    summary: "Tell what of a stream browsers can play",
    response: {
      200: answer(
        "The tracks.",
        z.object({ live: z.boolean(), tracks: z.array(outlook), message: z.string().optional() }),
      ),
      ...problems(401, 404, 429),
    },
  },
};

/**
 * Adds routes whose schemas describe and check nothing: bodies are no JSON, and what is wrong with them has statuses and
 * sentences of its own.
 */
export function addDescribed(app: FastifyInstance, add: (scope: FastifyInstance) => void): void {
  app.register(async (scope) => {
    scope.setValidatorCompiler(() => (value) => ({ value }));
    scope.setSerializerCompiler(() => (body) => JSON.stringify(body));
    add(scope);
  });
}
