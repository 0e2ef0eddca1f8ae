import { answerNack } from "../media/answer-nack.ts";
import { createPacketHistory } from "../media/packet-history.ts";
import { createRepairBudget } from "../media/repair-budget.ts";
import { createRateMeter } from "../rtp/rate-meter.ts";
import type { GenericNack } from "../rtp/rtcp/feedback.ts";

/** Sends packets of one track again that were lost on the way to the relay or player. */
export interface Resender {
  /** Takes a copy of an RTP packet that has just been sent, at `now` ms of a monotonic clock. */
  onSent(bytes: Uint8Array, now: number): void;
  /** Sends again what a generic NACK asks for (RFC 4585 §6.2.1), within a second and a quarter of the track's rate. */
  answer(nack: GenericNack, now: number): void;
  /** Packets sent again since the start. */
  resent(): number;
}

/** A resender that has seen nothing yet; `send` takes each packet once more. */
export function createResender(send: (bytes: Uint8Array) => void): Resender {
  const history = createPacketHistory();
  const rate = createRateMeter();
  const budget = createRepairBudget({ rate });
  let resent = 0;
  return {
    onSent(bytes, now) {
      history.add(bytes, now);
      rate.onPacket(bytes.length, now);
    },
    answer(nack, now) {
      // A copy, since the socket may still hold it when the history's room is needed.
      resent += answerNack(nack, now, { history, budget, send: (view) => send(view.slice()) }).sent;
    },
    resent: () => resent,
  };
}
