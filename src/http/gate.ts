import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { signatureScheme, signatureToleranceSeconds } from "../core/signed-request.ts";
import { authorize, isStillGood, type KeyRing, type Refusal } from "./authorize.ts";
import { HttpProblem } from "./problem.ts";
import { createWrongSecrets } from "./wrong-secrets.ts";

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
  const wrong = createWrongSecrets("keys", clock);
  return {
    check(request, stream, access) {
      const source = wrong.admit(request.ip);
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
      if (verdict === "wrong-credentials") wrong.note(source);
      throw new HttpProblem(401, "RELAY_REFUSED", messages[verdict], {
        headers: { "www-authenticate": `Bearer realm="punchcast", ${signatureScheme} realm="punchcast"` },
      });
    },
  };
}
