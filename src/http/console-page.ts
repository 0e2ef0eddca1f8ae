import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import { gzipSync } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/** Where `npm run build` puts the page, seen from the sources and from the package alike. */
const builtConsole = new URL("../../dist/console/", import.meta.url);

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Nothing but the relay itself; frames are for the player, which is the relay's own page. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const missing =
  "The console is not built: run 'npm run build' in the checkout and start the relay again. All else works without it.\n";

/** A file's name has a hash of what is in it, so it can be kept for good; a year is what caches take for that. */
const forGood = "public, max-age=31536000, immutable";

/**
 * - `GET /`: the console, a page that asks the API with the admin token that people give it. Holds no secret itself.
 * - `GET /console/FILE`: what it is made of.
 *
 * `folder` is where it was built; default: the package's own. Without it `GET /` says how to get it.
 */
export function addConsolePage(app: FastifyInstance, folder: URL = builtConsole): void {
  const schema = { hide: true };
  if (!existsSync(new URL("index.html", folder))) {
    app.get("/", { schema }, async (_request, reply) =>
      reply.code(503).type("text/plain; charset=utf-8").send(missing),
    );
    return;
  }
  const page = readCompressed(new URL("index.html", folder));
  app.get("/", { schema }, async (request, reply) =>
    sendCompressed(
      page,
      request,
      reply.type("text/html; charset=utf-8").headers({
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
      }),
    ),
  );
  for (const name of readdirSync(new URL("console/", folder))) {
    const file = readCompressed(new URL(`console/${name}`, folder));
    const type = types[extname(name)] ?? "application/octet-stream";
    app.get(`/console/${name}`, { schema }, async (request, reply) =>
      sendCompressed(file, request, reply.type(type).header("cache-control", forGood)),
    );
  }
}

interface Compressed {
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

function readCompressed(file: URL): Compressed {
  const plain = readFileSync(file);
  return { plain, gzip: gzipSync(plain) };
}

function sendCompressed({ plain, gzip }: Compressed, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  void reply.header("vary", "accept-encoding");
  const takesGzip = /\bgzip\b(?!;\s*q=0(?:\.0*)?(?:,|$))/i.test(String(headers["accept-encoding"] ?? ""));
  return takesGzip ? reply.header("content-encoding", "gzip").send(gzip) : reply.send(plain);
}
