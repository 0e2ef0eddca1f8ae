import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { prefixOf } from "../core/cidr.ts";
import type { Clock } from "../core/clock.ts";
import { signatureScheme, signatureToleranceSeconds } from "../core/signed-request.ts";
import { createRateLimiter } from "../relay/rate-limiter.ts";
import { authorize, isStillGood, type KeyRing, type Refusal } from "./authorize.ts";
import { HttpProblem } from "./problem.ts";

/** Lets requests through that show a key. */
export interface Gate {
  /** Throws a problem, 401 or 429, unless the request may do `access` to `stream`. */
  check(request: FastifyRequest, stream: string, access: "view" | "publish"): Permit;
}

/** For what lasts longer than a request. */
export interface Permit {
  /** The address that the request came from; IPv6: its /64. */
  readonly source: string;
  /** Whether the key that was shown is still good. */
  isGood(): boolean;
}

/**
 * Wrong keys that one address (IPv6: its /64) may offer: 10 at once, then one a second. Not more, since a key of one's own
 * may be weak; not less, since viewers behind one NAT share this. While it is used up, right keys wait too, or one could go
 * on guessing.
 */
const failures = { ratePerSecond: 1, burst: 10 };

/** The query's part of the credentials; given twice it is none. */
const querySchema = z.object({
  key: z.string().optional().catch(undefined),
  expires: z.string().optional().catch(undefined),
});

const messages: Readonly<Record<Refusal, string>> = {
  "no-credentials":
    "This needs a key of the stream: 'Authorization: Bearer KEY' or ?key=KEY over TLS or in a network of your own, else a signed request.",
  "wrong-credentials":
    "The key is wrong or has expired, or there is no such stream: check the URL that the relay printed.",
  "wrong-time": `The request was not signed within ${signatureToleranceSeconds} s of the relay's time, which the Date header tells: set the clock of the host that signs.`,
};

/** A gate that has seen nobody yet. */
export function createGate(keys: KeyRing, clock: Clock): Gate {
  const limiter = createRateLimiter(failures);
  return {
    check(request, stream, access) {
      const source = prefixOf(request.ip, 32, 64);
      const now = clock.now();
      if (!limiter.allows(source, now)) {
        throw new HttpProblem(
          429,
          "RELAY_REFUSED",
          "Too many wrong keys came from this address: try again in a second.",
          {
            headers: { "retry-after": "1" },
          },
        );
      }
      const credentials = {
        method: request.method,
        target: request.originalUrl,
        authorization: request.headers.authorization,
        ...querySchema.parse(request.query),
        ...(Buffer.isBuffer(request.body) && { body: request.body }),
      };
      const verdict = authorize(stream, access, credentials, keys, clock.wallNow());
      if (typeof verdict === "object") {
        return { source, isGood: () => isStillGood(stream, access, verdict, keys, clock.wallNow()) };
      }
      if (verdict === "wrong-credentials") limiter.take(source, now);
      throw new HttpProblem(401, "RELAY_REFUSED", messages[verdict], {
        headers: { "www-authenticate": `Bearer realm="punchcast", ${signatureScheme} realm="punchcast"` },
      });
    },
  };
}
