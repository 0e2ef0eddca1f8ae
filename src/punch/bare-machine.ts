import { PunchcastError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { PunchMachine } from "./machine.ts";
import { consentIntervalMs, jittered } from "./schedule.ts";

/**
 * The seed's punch: one digit, the component's, sent again every 5 s. No answer ever comes, so nothing is known but the media.
 * @throws PunchcastError BAD_OPTION for a component above 9, which has no digit
 */
export function createBareMachine(options: { readonly component: number; readonly random: Random }): PunchMachine {
  if (options.component > 9) {
    throw new PunchcastError(
      "BAD_OPTION",
      `A bare punch cannot ask for component ${options.component}: take 0 to 9, or watch with a key.`,
    );
  }
  const digit = Buffer.from(String(options.component));
  let dueAt = Number.NEGATIVE_INFINITY;
  return {
    wakeAt: () => dueAt,
    poll(now) {
      if (now < dueAt) return undefined;
      dueAt = now + jittered(consentIntervalMs, options.random);
      return digit;
    },
    punchNow(now) {
      dueAt = Math.min(dueAt, now);
    },
    receive: () => undefined,
    unanswered: () => 0,
    leave: () => undefined,
  };
}
