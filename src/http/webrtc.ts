import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { WebRtc, WebRtcRefusal, WebRtcSession } from "../webrtc/web-rtc-types.ts";
import type { Gate } from "./gate.ts";
import { HttpProblem } from "./problem.ts";
import { describeExchange } from "./webrtc-shapes.ts";

/** The two directions: both are the same exchange of an offer for an answer. */
const directions = [
  { base: "whep", access: "view", begin: "view" },
  { base: "whip", access: "publish", begin: "publish" },
] as const;

/** Names as streams have them, and sessions as the relay names them; what does not fit is no route. */
const name = ":name(^[A-Za-z0-9][A-Za-z0-9._-]{0,63})";
const session = ":session(^[0-9a-f]{32})";

const paramsSchema = z.object({ name: z.string(), session: z.string().default("") });

/** Seconds after which a player may ask again for what is not there yet. */
const retryAfter = { "retry-after": "2" };

/** For pages of other hosts: the key is shown in a header of their own making, never by the browser itself. */
const corsHeaders = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "ETag, Link, Location, Retry-After",
} as const;

/** A day: what is allowed does not change. */
const preflightSeconds = "86400";

/**
 * WHEP (draft-ietf-wish-whep) and WHIP (RFC 9725), each with a key of the stream as Bearer token:
 *
 * - `POST /whep/NAME`: an offer (application/sdp) for an answer, 201 with the session's Location and ETag.
 * - `PATCH /whep/NAME/SESSION`: the browser's candidates (application/trickle-ice-sdpfrag), which are not needed: it speaks
 *   first, and a public host learns its address by that. There are no ICE restarts.
 * - `DELETE /whep/NAME/SESSION`: the end.
 * - `OPTIONS`: what other hosts' pages may do.
 */
export function addWebRtcRoutes(app: FastifyInstance, webRtc: WebRtc, gate: Gate): void {
  for (const { base, access, begin } of directions) {
    const endpoint = `/${base}/${name}`;
    const resource = `${endpoint}/${session}`;
    const schemas = describeExchange(base);

    app.post(endpoint, { schema: schemas.post, onRequest: allowOrigins }, async (request, reply) => {
      const { name: stream } = paramsSchema.parse(request.params);
      const permit = gate.check(request, stream, access);
      needType(request, "application/sdp");
      const begun = await webRtc[begin](stream, textOf(request.body), permit);
      if ("kind" in begun) throw problemOf(begun, stream);
      return sendAnswer(reply, `/${base}/${stream}/${begun.id}`, begun);
    });

    app.patch(resource, { schema: schemas.patch, onRequest: allowOrigins }, async (request, reply) => {
      const { name: stream, session: id } = paramsSchema.parse(request.params);
      gate.check(request, stream, access);
      needType(request, "application/trickle-ice-sdpfrag");
      needTag(request, id);
      needSession(webRtc, stream, id);
      return reply.code(204).send();
    });

    app.delete(resource, { schema: schemas.delete, onRequest: allowOrigins }, async (request, reply) => {
      const { name: stream, session: id } = paramsSchema.parse(request.params);
      gate.check(request, stream, access);
      needSession(webRtc, stream, id);
      webRtc.end(stream, id);
      return reply.code(204).send();
    });

    for (const [path, methods] of [
      [endpoint, "POST, OPTIONS"],
      [resource, "PATCH, DELETE, OPTIONS"],
    ] as const) {
      app.options(path, { schema: { hide: true }, onRequest: allowOrigins }, async (_request, reply) =>
        reply
          .code(204)
          .headers({
            "access-control-allow-methods": methods,
            "access-control-allow-headers": "Authorization, Content-Type, If-Match",
            "access-control-max-age": preflightSeconds,
            "accept-post": "application/sdp",
          })
          .send(),
      );
      // Reserved by the draft (§4): nothing is fetched or put here.
      app.route({
        method: ["GET", "PUT"],
        url: path,
        schema: { hide: true },
        onRequest: allowOrigins,
        handler: async () => {
          throw new HttpProblem(405, "BAD_URL", `Only ${methods} are understood here.`, {
            headers: { allow: methods },
          });
        },
      });
    }
  }
}

/** Lets pages of other hosts read the answer, problems too. */
export async function allowOrigins(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.headers(corsHeaders);
}

function sendAnswer(reply: FastifyReply, location: string, { id, answer }: WebRtcSession): FastifyReply {
  return reply
    .code(201)
    .type("application/sdp")
    .headers({ location, etag: `"${id}"`, "accept-patch": "application/trickle-ice-sdpfrag" })
    .send(answer);
}

function problemOf(refusal: WebRtcRefusal, stream: string): HttpProblem {
  switch (refusal.kind) {
    case "not-live":
      return new HttpProblem(404, "SDP_UNKNOWN", `Nobody sends to stream '${stream}' now: ask again later.`, {
        headers: retryAfter,
        details: { pending: true },
      });
    case "not-playable": {
      const pending = refusal.outlook.some(({ plays }) => plays === "not-yet");
      const reasons = refusal.outlook.flatMap(({ message }) => message ?? []);
      const why = reasons.length > 0 ? reasons.join(" ") : "The browser takes none of its codecs.";
      return new HttpProblem(pending ? 404 : 406, "SDP_UNKNOWN", `Stream '${stream}' does not play here: ${why}`, {
        headers: pending ? retryAfter : {},
        details: { pending, tracks: refusal.outlook },
      });
    }
    case "bad-offer":
      return new HttpProblem(422, "BAD_SDP", offerProblems[refusal.reason]);
    case "unavailable":
      return new HttpProblem(503, "RELAY_REFUSED", `The relay cannot serve browsers now: ${refusal.message}.`, {
        headers: retryAfter,
      });
  }
}

const offerProblems = {
  "no-media": "The offer has neither video nor audio: offer at least one of them.",
  "no-mid": "The offer's media have no a=mid lines: offer them as WebRTC does (RFC 9429).",
  "too-many-lines": "The offer has more media lines than any browser makes: offer 16 at most.",
  "no-common-codec": "The offer has no codec that the relay carries: offer H.264, VP8, VP9, AV1 or Opus.",
} as const;

function needSession(webRtc: WebRtc, stream: string, id: string): void {
  const found = webRtc.find(stream, id);
  if (found === "there") return;
  if (found === "kicked") throw new HttpProblem(403, "RELAY_REFUSED", "Whoever runs the relay has ended this session.");
  throw new HttpProblem(404, "BAD_URL", "There is no such session (any more): POST an offer for another.");
}

function needType(request: FastifyRequest, type: string): void {
  const given = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (given === type) return;
  throw new HttpProblem(415, "BAD_SDP", `The body must be ${type}: say so in Content-Type.`);
}

/** RFC 9725 §4.3.1: candidates are for the ICE session that the ETag names, and `*` begins another one. */
function needTag(request: FastifyRequest, id: string): void {
  const tag = request.headers["if-match"];
  if (tag === undefined)
    throw new HttpProblem(428, "BAD_SDP", "Say which ICE session is meant: If-Match with its ETag.");
  if (tag === "*") {
    throw new HttpProblem(422, "BAD_SDP", "There are no ICE restarts here: DELETE the session and POST a new offer.");
  }
  if (tag.replace(/^W\//, "") !== `"${id}"`) {
    throw new HttpProblem(412, "BAD_SDP", "If-Match names another ICE session: take the ETag of the 201 answer.");
  }
}

function textOf(body: unknown): string {
  return Buffer.isBuffer(body) ? body.toString("utf8") : "";
}
