import type { FastifyRequest } from "fastify";
import type { Clock } from "../../core/clock.ts";
import { sameSecret } from "../../core/signed-request.ts";
import { isLoopback } from "../loopback.ts";
import { HttpProblem } from "../problem.ts";
import { createWrongSecrets } from "../wrong-secrets.ts";

/** Who may use the API. */
export interface AdminAccess {
  /** What has to be shown as `Authorization: Bearer TOKEN`; `undefined`: the API is off. */
  readonly token: string | undefined;
  /** `loopback`: only clients on the relay's own host, whatever token others show. */
  readonly from: "loopback" | "anywhere";
}

/** A check that throws a problem, 401, 403 or 429, unless the request may use the API. */
export function createAdminGuard({ token, from }: AdminAccess, clock: Clock): (request: FastifyRequest) => void {
  const wrong = createWrongSecrets("tokens", clock);
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
    const source = wrong.admit(request.ip);
    const offered = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (offered !== undefined && sameSecret(offered, token)) return;
    if (offered !== undefined) wrong.note(source);
    throw new HttpProblem(
      401,
      "RELAY_REFUSED",
      "This needs the admin token as 'Authorization: Bearer TOKEN': it is in the relay's state file.",
      { headers: { "www-authenticate": 'Bearer realm="punchcast"' } },
    );
  };
}
