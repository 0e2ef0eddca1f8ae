import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { PunchcastError } from "../core/errors.ts";
import { playerUrlOf } from "../sdp/infer.ts";
import { rewriteForPlayer } from "../sdp/rewrite.ts";
import { writeSdp } from "../sdp/session.ts";
import type { Descriptions } from "../server/descriptions.ts";
import type { Gate } from "./gate.ts";
import { HttpProblem } from "./problem.ts";

/** What SDPs are read from and written to. */
export interface SdpSource {
  readonly descriptions: Descriptions;
  /** The stream that bare punches get, whose SDP needs no key; `undefined` if the relay takes none. */
  openStream(): string | undefined;
}

/** Names as streams have them; what does not fit is no route. */
const path = "/streams/:name(^[A-Za-z0-9][A-Za-z0-9._-]{0,63}).sdp";

const paramsSchema = z.object({ name: z.string() });

/** Where the viewer's player listens. */
const querySchema = z.object({
  port: z
    .string()
    .regex(/^\d{1,5}$/)
    .transform(Number)
    .default(5004),
  address: z.string().max(64).default("127.0.0.1"),
});

/** Seconds after which a viewer may ask again for what is not known yet. */
const retryAfterSeconds = "2";

/**
 * - `GET /streams/NAME.sdp?port=5004&address=127.0.0.1`: the SDP for a player that listens there. Needs a key of the stream.
 * - `GET /bare.sdp`: the same for viewers that punch without a key, where the relay takes them.
 * - `PUT /streams/NAME.sdp`: the publisher's SDP. `DELETE` forgets it. Both need the publish key.
 */
export function addSdpRoutes(app: FastifyInstance, relay: SdpSource, gate: Gate): void {
  const [tags, security] = [["sdp"], [{ streamKey: [] }]];
  app.get(
    path,
    { schema: { tags, security, summary: "Read the SDP for a player (?port=5004&address=127.0.0.1)" } },
    async (request, reply) => {
      const { name } = paramsSchema.parse(request.params);
      if (name !== relay.openStream()) gate.check(request, name, "view");
      return sendSdp(relay, name, request, reply);
    },
  );

  app.get(
    "/bare.sdp",
    { schema: { tags, summary: "The same where bare punches are taken" } },
    async (request, reply) => {
      const name = relay.openStream();
      if (name !== undefined) return sendSdp(relay, name, request, reply);
      throw new HttpProblem(
        404,
        "BAD_URL",
        "This relay takes no bare punches: name the stream, as in /streams/live.sdp.",
      );
    },
  );

  app.put(path, { schema: { tags, security, summary: "Publish the sender's SDP" } }, async (request) => {
    const { name } = paramsSchema.parse(request.params);
    gate.check(request, name, "publish");
    const sdp = relay.descriptions.publish(name, textOf(request.body));
    const inEffect = relay.descriptions.find(name);
    return { stream: name, tracks: sdp.media.length, inEffect: inEffect.kind === "sdp" ? inEffect.source : null };
  });

  app.delete(path, { schema: { tags, security, summary: "Forget the published SDP" } }, async (request, reply) => {
    const { name } = paramsSchema.parse(request.params);
    gate.check(request, name, "publish");
    relay.descriptions.withdraw(name);
    return reply.code(204).send();
  });
}

function sendSdp(relay: SdpSource, name: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const query = querySchema.safeParse(request.query);
  if (!query.success) {
    throw new PunchcastError("BAD_OPTION", "The query does not fit: write ?port=5004&address=127.0.0.1, each once.");
  }
  const { port, address } = query.data;
  const found = relay.descriptions.find(name);
  if (found.kind === "url") {
    const url = found.playerUrl(port);
    throw new HttpProblem(
      404,
      "SDP_UNKNOWN",
      `Stream '${name}' is MPEG-TS without RTP, which has no SDP: open ${url} in the player.`,
      { details: { url } },
    );
  }
  if (found.kind !== "sdp") {
    const isPending = found.kind === "pending";
    throw new HttpProblem(404, "SDP_UNKNOWN", found.message, {
      details: { pending: isPending },
      headers: isPending ? { "retry-after": retryAfterSeconds } : {},
    });
  }
  const url = playerUrlOf(found.sdp, port);
  return reply
    .type("application/sdp")
    .headers({ "punchcast-sdp-source": found.source, ...(url !== undefined && { "punchcast-player-url": url }) })
    .send(writeSdp(rewriteForPlayer(found.sdp, { address, basePort: port })));
}

/** The body as text. Bytes that are no UTF-8 become U+FFFD and fail as the SDP that they are not. */
function textOf(body: unknown): string {
  return Buffer.isBuffer(body) ? body.toString("utf8") : "";
}
