import { type ClockRateEstimator, createClockRateEstimator } from "../rtp/clock-rate.ts";
import type { RtpPacket } from "../rtp/header.ts";
import { h264Format } from "../rtp/payload/h264.ts";
import { h265Format } from "../rtp/payload/h265.ts";
import { inspectPayload } from "../rtp/payload/inspect.ts";
import { createParameterSetCollector, type ParameterSetCollector } from "../rtp/payload/parameter-set-collector.ts";
import { staticPayloadType } from "../rtp/static-payload-types.ts";
import type { TrackFacts } from "../sdp/track-facts.ts";
import { createAacJudge, createLatmJudge, createOpusJudge } from "./judges/audio-judges.ts";
import { createAv1Judge } from "./judges/av1-judge.ts";
import type { Arrival, Judge } from "./judges/judge.ts";
import { createH264Judge, createH265Judge } from "./judges/nal-judge.ts";
import { createVp8Judge, createVp9Judge } from "./judges/vpx-judges.ts";
import { isTransportStream } from "./transport-stream.ts";

/**
 * What is still to be known of a payload type.
 * - `evidence`: more packets; nothing can be said yet.
 * - `codec`: packets fit no codec known here, or several: an rtpmap has to be supplied.
 * - `config`: the codec's `config` parameter, which never is in the packets (AAC).
 * - `parameter-sets`: `sprop-…` parameters; a key frame came without the sets.
 */
export type Missing = "evidence" | "codec" | "config" | "parameter-sets";

/** What is known of one payload type of a component. Either `facts` or `missing` is there. */
export interface RecognisedTrack {
  /** 0-127. */
  readonly payloadType: number;
  /** Packets seen. */
  readonly packets: number;
  /** The codec, as soon as it is sure. */
  readonly codec?: string;
  /** In Hz, as soon as it is sure. */
  readonly clockRate?: number;
  /** All that a player needs. */
  readonly facts?: TrackFacts;
  /** Why there are no facts. */
  readonly missing?: Missing;
  /** All there was to look at has been seen: what is missing now stays so. */
  readonly isExhausted: boolean;
}

/** Follows the packets of one payload type. */
export interface PayloadTypeRecogniser {
  onPacket(packet: RtpPacket, arrivalMs: number): void;
  track(): RecognisedTrack;
}

/** One packet in so many may disagree: padding, and packets overtaken in the network. */
const toleratedShare = 20;

/**
 * After so many packets in so long a time none of the judges will find for its codec any more, and no parameter sets will
 * come. Slow streams need the packets, those of hundreds of packets a picture the time.
 */
const [evidencePackets, evidenceMs] = [1000, 3000];

interface Case {
  readonly judge: Judge;
  agreed: number;
  disagreed: number;
}

/** A recogniser for one payload type; RFC 3551's static types are known at once. */
export function createPayloadTypeRecogniser(payloadType: number): PayloadTypeRecogniser {
  const assigned = staticPayloadType(payloadType);
  const clock: ClockRateEstimator = createClockRateEstimator();
  const sets: Record<"H264" | "H265", ParameterSetCollector> = {
    H264: createParameterSetCollector("H264"),
    H265: createParameterSetCollector("H265"),
  };
  let cases: Case[] = allJudges().map((judge) => ({ judge, agreed: 0, disagreed: 0 }));
  let last: RtpPacket | undefined;
  let packets = 0;
  let firstMs: number | undefined;
  let isExhausted = false;
  let keyFrameSeen = false;
  let decided: Judge | undefined;

  function decide(): void {
    const rate = clock.rate();
    const sure = cases
      .filter(({ judge, agreed }) => agreed >= judge.sureAfter)
      .filter(({ judge }) => rate === undefined || (judge.clockRate ?? rate) === rate)
      .sort((a, b) => b.agreed - a.agreed);
    const [best, second] = sure;
    // Two that fit equally well: a stream so uniform that it takes more to tell.
    if (best !== undefined && (second === undefined || best.agreed > 2 * second.agreed)) decided = best.judge;
  }

  return {
    onPacket(packet, arrivalMs) {
      packets += 1;
      firstMs ??= arrivalMs;
      isExhausted ||= packets > evidencePackets && arrivalMs - firstMs >= evidenceMs;
      if (assigned !== undefined) return;
      clock.onPacket(packet.timestamp, arrivalMs);
      const arrival = arrivalAfter(last, packet);
      last = packet.payload.length === 0 ? last : packet;
      if (packet.payload.length === 0) return;
      if (decided === undefined && !isExhausted) {
        cases = cases.filter((each) => stands(each, arrival));
        decide();
      }
      for (const codec of ["H264", "H265"] as const) {
        if (decided === undefined ? !cases.some(({ judge }) => judge.codec === codec) : decided.codec !== codec)
          continue;
        sets[codec].onPacket(packet);
        if (decided === undefined) continue;
        const facts = inspectPayload(codec, packet.payload);
        // The sets come before the picture, so one that begins without them has none.
        keyFrameSeen ||= facts.ok && facts.value.keyFrame;
      }
    },
    track() {
      const seen = { payloadType, packets, isExhausted };
      if (assigned !== undefined) {
        const { codec, clockRate, channels } = assigned;
        const kind = channels === undefined && codec !== "MPA" ? "video" : "audio";
        const facts: TrackFacts = {
          kind,
          payloadType,
          codec,
          clockRate,
          ...(channels === undefined ? {} : { channels }),
        };
        return { ...seen, codec, clockRate, facts };
      }
      if (decided === undefined) return { ...seen, missing: cases.length > 0 && !isExhausted ? "evidence" : "codec" };
      const { codec, kind, channels } = decided;
      const clockRate = decided.clockRate ?? clock.rate();
      // Only AAC's clock is not fixed by its format, and the config that has to be supplied for it stands with its clock.
      if (clockRate === undefined) return { ...seen, codec, missing: "config" };
      const known = { ...seen, codec, clockRate };
      if (decided.clockRate === undefined) return { ...known, missing: "config" };
      const facts = { kind, payloadType, codec, clockRate, ...(channels === undefined ? {} : { channels }) };
      if (codec !== "H264" && codec !== "H265") return { ...known, facts };
      const fmtp = describeSets(codec, sets[codec]);
      if (fmtp !== undefined) return { ...known, facts: { ...facts, fmtp } };
      return { ...known, missing: keyFrameSeen ? "parameter-sets" : "evidence" };
    },
  };
}

function allJudges(): Judge[] {
  const transportStream: Judge = {
    codec: "MP2T",
    kind: "video",
    sureAfter: 4,
    clockRate: 90_000,
    judge: ({ packet }) => (isTransportStream(packet.payload) ? "for" : "against"),
  };
  return [
    transportStream,
    ...[createH264Judge(), createH265Judge(), createVp8Judge(), createVp9Judge(), createAv1Judge()],
    ...[createOpusJudge(), createAacJudge(), createLatmJudge()],
  ];
}

function arrivalAfter(last: RtpPacket | undefined, packet: RtpPacket): Arrival {
  const follows =
    last !== undefined && last.ssrc === packet.ssrc && packet.sequenceNumber === ((last.sequenceNumber + 1) & 0xffff);
  const step = last === undefined ? 0 : (packet.timestamp - last.timestamp) | 0;
  return { packet, follows, step, afterMarker: last?.marker ?? false };
}

/** Counts one packet; false once a codec is out of the question. */
function stands(each: Case, arrival: Arrival): boolean {
  const verdict = each.judge.judge(arrival);
  if (verdict === "for") each.agreed += 1;
  else if (verdict === "against") each.disagreed += 1;
  return each.disagreed <= 1 + (each.agreed + each.disagreed) / toleratedShare;
}

function describeSets(codec: "H264" | "H265", collector: ParameterSetCollector): string | undefined {
  const { vps, sps, pps } = collector.sets();
  if (sps.length === 0 || pps.length === 0) return undefined;
  const sets = { sequenceParameterSets: sps, pictureParameterSets: pps, lengthSize: 4 };
  if (codec === "H264") return h264Format(sets).parameters;
  return vps.length === 0 ? undefined : h265Format({ ...sets, videoParameterSets: vps }).parameters;
}
