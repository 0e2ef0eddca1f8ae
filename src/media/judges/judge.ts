import type { RtpPacket } from "../../rtp/header.ts";

/** A packet and how it stands to the one before it of the same payload type. */
export interface Arrival {
  readonly packet: RtpPacket;
  /** Its sequence number is the previous packet's and one more, from the same source: nothing was lost between them. */
  readonly follows: boolean;
  /** Ticks since the previous packet, signed; 0 for the first. */
  readonly step: number;
  /** The previous packet's marker. */
  readonly afterMarker: boolean;
}

/** What one packet says for or against a codec. */
export type Verdict = "for" | "against" | "nothing";

/**
 * Knows one codec's payload format and holds packets against it. It looks for what other payloads have by chance only:
 * structures that must fit to the byte, and states that must go on from packet to packet.
 */
export interface Judge {
  /** As in an rtpmap. */
  readonly codec: string;
  readonly kind: "audio" | "video";
  /** Packets that have to speak for the codec before it is sure: the fewer, the less can fit by chance. */
  readonly sureAfter: number;
  /** In Hz where the format fixes it. */
  readonly clockRate?: number;
  /** As in an rtpmap, where the format fixes it. */
  readonly channels?: number;
  judge(arrival: Arrival): Verdict;
}

/**
 * A judge of pictures: every format of one gives the packets of a picture one timestamp and marks the last (RFC 6184 §5.1,
 * RFC 7741 §4.1, …). There are cameras that mark none, so that counts only for a source that marks at all.
 */
export function videoJudge(codec: string, sureAfter: number, judge: (arrival: Arrival) => Verdict): Judge {
  let marks = false;
  return {
    codec,
    kind: "video",
    sureAfter,
    clockRate: 90_000,
    judge: (arrival) => {
      const verdict = judge(arrival);
      marks ||= arrival.afterMarker;
      const misframed = marks && arrival.follows && (arrival.step !== 0) !== arrival.afterMarker;
      return misframed ? "against" : verdict;
    },
  };
}
