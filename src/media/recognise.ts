import { classifyDatagram } from "../rtp/demux.ts";
import { decodeRtp } from "../rtp/header.ts";
import { decodeRtcp } from "../rtp/rtcp/compound.ts";
import {
  createPayloadTypeRecogniser,
  type PayloadTypeRecogniser,
  type RecognisedTrack,
} from "./payload-type-recogniser.ts";
import { isTransportStream } from "./transport-stream.ts";

/** What a component carries. RTP with RTCP on the same port is `rtp`. */
export type WireKind = "rtp" | "rtcp" | "mpeg-ts" | "other";

/** Finds out what a component carries from its datagrams alone. */
export interface Recogniser {
  /** Takes one datagram; `arrivalMs` is of a monotonic clock. */
  onDatagram(bytes: Uint8Array, arrivalMs: number): void;
  /** What the datagrams are; `undefined` while too few came. */
  kind(): WireKind | undefined;
  /** The payload types seen, the busiest first; empty if it is not RTP. */
  tracks(): readonly RecognisedTrack[];
  /**
   * Nothing more is to be found out: the kind is sure and the busiest payload type has its facts, or never will. Feeding
   * may end; a publisher's restart asks for a new recogniser.
   */
  isSettled(): boolean;
}

/**
 * Datagrams of a kind before it counts: one may be a stray, and a fixed first byte (RTP's version, MPEG-TS's sync) in two
 * of two is no accident of anything that is not sent to be mistaken.
 */
const sureDatagrams = 2;

/** Payload types followed: a stream has one or two and repair; a flood of invented ones costs no more than this. */
const maxPayloadTypes = 8;

/** Makes a recogniser for one component. */
export function createRecogniser(): Recogniser {
  const counts: Record<WireKind, number> = { rtp: 0, rtcp: 0, "mpeg-ts": 0, other: 0 };
  const payloadTypes = new Map<number, PayloadTypeRecogniser>();
  const lastSequenceNumber = new Map<number, number>();

  function onRtp(bytes: Uint8Array, arrivalMs: number): void {
    const read = decodeRtp(bytes);
    if (!read.ok) {
      counts.other += 1;
      return;
    }
    const packet = read.value;
    // RFC 3550 A.1: a source is believed once two of its packets follow each other.
    const before = lastSequenceNumber.get(packet.payloadType);
    if (before !== undefined && ((packet.sequenceNumber - before) & 0xffff) === 1) counts.rtp += 1;
    if (before === undefined && lastSequenceNumber.size >= maxPayloadTypes) return;
    lastSequenceNumber.set(packet.payloadType, packet.sequenceNumber);
    let recogniser = payloadTypes.get(packet.payloadType);
    if (recogniser === undefined) {
      recogniser = createPayloadTypeRecogniser(packet.payloadType);
      payloadTypes.set(packet.payloadType, recogniser);
    }
    recogniser.onPacket(packet, arrivalMs);
  }

  function kind(): WireKind | undefined {
    if (counts.rtp >= sureDatagrams && counts.rtp >= counts.other) return "rtp";
    if (counts["mpeg-ts"] >= sureDatagrams && counts["mpeg-ts"] >= counts.other) return "mpeg-ts";
    if (counts.rtcp > 0 && counts.rtcp >= counts.other) return "rtcp";
    return counts.other >= sureDatagrams ? "other" : undefined;
  }

  function tracks(): readonly RecognisedTrack[] {
    if (kind() !== "rtp") return [];
    return [...payloadTypes.values()].map((each) => each.track()).sort((a, b) => b.packets - a.packets);
  }

  return {
    kind,
    tracks,
    onDatagram(bytes, arrivalMs) {
      const sort = classifyDatagram(bytes);
      if (sort === "rtp") onRtp(bytes, arrivalMs);
      else if (sort === "rtcp" && decodeRtcp(bytes).ok) counts.rtcp += 1;
      else if (isTransportStream(bytes)) counts["mpeg-ts"] += 1;
      // STUN and DTLS on a media port are a peer's business, and say nothing about the stream.
      else if (sort !== "stun" && sort !== "dtls") counts.other += 1;
    },
    isSettled() {
      const found = kind();
      if (found !== "rtp") return found !== undefined;
      const [busiest] = tracks();
      if (busiest === undefined || busiest.missing === "evidence") return false;
      return busiest.missing !== "parameter-sets" || busiest.isExhausted;
    },
  };
}
