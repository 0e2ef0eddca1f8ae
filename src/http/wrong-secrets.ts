import { prefixOf } from "../core/cidr.ts";
import type { Clock } from "../core/clock.ts";
import { createRateLimiter } from "../relay/rate-limiter.ts";
import { HttpProblem } from "./problem.ts";

/** Bounds how often one address may guess. */
export interface WrongSecrets {
  /** The address's source, IPv6: its /64. Throws a problem, 429, once that has offered too many wrong ones. */
  admit(address: string): string;
  /** Notes that a source has offered a wrong one. */
  note(source: string): void;
}

/**
 * Wrong secrets that one source may offer: 10 at once, then one a second. Not more, since a secret of one's own may be weak;
 * not less, since clients behind one NAT share this. While it is used up, right ones wait too, or one could go on guessing.
 */
const failures = { ratePerSecond: 1, burst: 10 };

/** Nobody has guessed yet. `what`: what is guessed, in the plural. */
export function createWrongSecrets(what: "keys" | "tokens", clock: Clock): WrongSecrets {
  const limiter = createRateLimiter(failures);
  return {
    admit(address) {
      const source = prefixOf(address, 32, 64);
      if (limiter.allows(source, clock.now())) return source;
      const message = `Too many wrong ${what} came from this address: try again in a second.`;
      throw new HttpProblem(429, "RELAY_REFUSED", message, { headers: { "retry-after": "1" } });
    },
    note: (source) => void limiter.take(source, clock.now()),
  };
}
