import type { Random } from "../core/random.ts";
import type { PunchMachine } from "./machine.ts";
import { consentIntervalMs, jittered } from "./schedule.ts";

/** The seed's punch: one digit, the component's, sent again every 5 s. No answer ever comes, so nothing is known but the media. */
export function createBareMachine(options: { readonly component: number; readonly random: Random }): PunchMachine {
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
