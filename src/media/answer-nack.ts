import type { GenericNack } from "../rtp/rtcp/feedback.ts";
import type { PacketHistory } from "./packet-history.ts";
import type { RepairBudget, RepairVerdict } from "./repair-budget.ts";

/** What came of the packets that one NACK asked for. */
export interface NackOutcome {
  /** Sent again. */
  readonly sent: number;
  /** No longer kept, or never seen. */
  readonly unknown: number;
  /** Asked for twice within a few milliseconds. */
  readonly repeated: number;
  /** Beyond the share of the stream that repair may take. */
  readonly overBudget: number;
}

/** Answered of one NACK: the gap tracker asks for half as many at once, and a hostile one must not cost more. */
const answersMax = 512;

const counterOf = { send: "sent", repeated: "repeated", "over-budget": "overBudget" } as const satisfies Record<
  RepairVerdict,
  keyof NackOutcome
>;

/**
 * Sends again what a receiver asks for (RFC 4585 §6.2.1), in the order in which it asks: a receiver takes an answer to a
 * later request for proof that the earlier ones were lost.
 */
export function answerNack(
  nack: GenericNack,
  now: number,
  by: {
    readonly history: Pick<PacketHistory, "find">;
    readonly budget: RepairBudget;
    /** Takes a view into the history, which holds until the history's next `add`: copy it or hand it on at once. */
    readonly send: (bytes: Uint8Array) => void;
  },
): NackOutcome {
  const outcome = { sent: 0, unknown: 0, repeated: 0, overBudget: 0 };
  for (const sequenceNumber of nack.sequenceNumbers.slice(0, answersMax)) {
    const packet = by.history.find(nack.mediaSsrc, sequenceNumber, now);
    if (packet === undefined) {
      outcome.unknown += 1;
      continue;
    }
    const verdict = by.budget.take(nack.mediaSsrc, sequenceNumber, packet.length, now);
    outcome[counterOf[verdict]] += 1;
    if (verdict === "send") by.send(packet);
  }
  return outcome;
}
