import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { WebRtc } from "../webrtc/web-rtc-types.ts";
import type { Gate } from "./gate.ts";
import { allowOrigins } from "./webrtc.ts";
import { pageSchemas } from "./webrtc-shapes.ts";

/** The page's files and what they are; they are the same for all streams, and hold no key. */
const files = [
  { url: "/watch.css", file: "watch.css", type: "text/css; charset=utf-8" },
  { url: "/watch.js", file: "watch.js", type: "text/javascript; charset=utf-8" },
] as const;

const page = "/watch/:name(^[A-Za-z0-9][A-Za-z0-9._-]{0,63})";

const paramsSchema = z.object({ name: z.string() });

/** The page does nothing but play: what is injected into it could not even load a picture. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'";

/**
 * - `GET /watch/NAME`: a page that plays the stream, with the key in its URL's fragment (`#key=KEY`), which browsers keep to
 *   themselves. Anybody may load it; it plays for who has a key.
 * - `GET /watch/NAME/status`: what of the stream browsers can play, as JSON. Needs a key of the stream.
 */
export function addWatchPage(app: FastifyInstance, webRtc: WebRtc, gate: Gate): void {
  const read = (file: string): Buffer => readFileSync(new URL(`../../assets/watch/${file}`, import.meta.url));
  const html = read("watch.html");
  for (const { url, file, type } of files) {
    const bytes = read(file);
    app.get(url, { schema: { hide: true } }, async (_request, reply) => reply.type(type).send(bytes));
  }

  app.get(page, { schema: pageSchemas.page }, async (_request, reply) => {
    webRtc.prepare();
    return reply
      .type("text/html; charset=utf-8")
      .headers({ "content-security-policy": policy, "referrer-policy": "no-referrer" })
      .send(html);
  });

  app.get(`${page}/status`, { schema: pageSchemas.status, onRequest: allowOrigins }, async (request) => {
    const { name } = paramsSchema.parse(request.params);
    gate.check(request, name, "view");
    return webRtc.status(name);
  });
}
