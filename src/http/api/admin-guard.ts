import type { FastifyRequest } from "fastify";
import { prefixOf } from "../../core/cidr.ts";
import type { Clock } from "../../core/clock.ts";
import { sameSecret } from "../../core/signed-request.ts";
import { createRateLimiter } from "../../relay/rate-limiter.ts";
import { HttpProblem } from "../problem.ts";

/** Who may use the API. */
export interface AdminAccess {
  /** What has to be shown as `Authorization: Bearer TOKEN`; `undefined`: the API is off. */
  readonly token: string | undefined;
  /** `loopback`: only clients on the relay's own host, whatever token others show. */
  readonly from: "loopback" | "anywhere";
}

/** Wrong tokens that one address (IPv6: its /64) may offer, as for the streams' keys. */
const failures = { ratePerSecond: 1, burst: 10 };

/** A check that throws a problem, 401, 403 or 429, unless the request may use the API. */
export function createAdminGuard({ token, from }: AdminAccess, clock: Clock): (request: FastifyRequest) => void {
  const limiter = createRateLimiter(failures);
  return (request) => {
    if (from === "loopback" && !isLoopback(request.ip)) {
      throw new HttpProblem(
        403,
        "RELAY_REFUSED",
        "The API answers on the relay's own host only: use it there, or start the relay with --http-listen ADDRESS.",
      );
    }
    if (token === undefined) {
      throw new HttpProblem(
        403,
        "RELAY_REFUSED",
        "The API is off: start the relay with --admin-token, or a state file.",
      );
    }
    const source = prefixOf(request.ip, 32, 64);
    const now = clock.now();
    if (!limiter.allows(source, now)) {
      throw new HttpProblem(
        429,
        "RELAY_REFUSED",
        "Too many wrong tokens came from this address: try again in a second.",
        {
          headers: { "retry-after": "1" },
        },
      );
    }
    const offered = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (offered !== undefined && sameSecret(offered, token)) return;
    if (offered !== undefined) limiter.take(source, now);
    throw new HttpProblem(
      401,
      "RELAY_REFUSED",
      "This needs the admin token as 'Authorization: Bearer TOKEN': it is in the relay's state file.",
      { headers: { "www-authenticate": 'Bearer realm="punchcast"' } },
    );
  };
}

function isLoopback(address: string): boolean {
  return /^(::ffff:)?127\.|^::1$/.test(address);
}
