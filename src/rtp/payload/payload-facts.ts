import type { Decoded } from "../../core/result.ts";
import type { PayloadMalformation } from "./nal-payload.ts";

/** What one RTP payload says about the pictures of its stream. */
export interface PayloadFacts {
  /** A picture begins here, or what belongs before it: delimiter, parameter sets, SEI. */
  readonly startsPicture: boolean;
  /** A picture begins here at which a decoder that knows nothing but the parameter sets can join. */
  readonly keyFrame: boolean;
  /**
   * Whole parameter sets, in the packet's order: SPS and PPS (H.264), VPS, SPS and PPS (H.265), sequence header (AV1).
   * Views into the payload. One cut into fragments is not here: see `createParameterSetCollector`.
   */
  readonly parameterSets: readonly Uint8Array[];
}

/** Reads one payload of a codec; never throws, whatever the bytes are. */
export type PayloadInspector = (payload: Uint8Array) => Decoded<PayloadFacts, PayloadMalformation>;

type Known = Decoded<PayloadFacts, PayloadMalformation>;

const none: readonly Uint8Array[] = [];

// Made once: nearly every packet of a stream is one of these, and the inspection runs for each.
const inside: Known = { ok: true, value: { startsPicture: false, keyFrame: false, parameterSets: none } };
const start: Known = { ok: true, value: { startsPicture: true, keyFrame: false, parameterSets: none } };
const key: Known = { ok: true, value: { startsPicture: true, keyFrame: true, parameterSets: none } };

/** Facts from their parts; a key frame that begins in a packet begins a picture there. */
export function payloadFacts(
  startsPicture: boolean,
  keyFrame: boolean,
  parameterSets: readonly Uint8Array[] = none,
): Known {
  if (parameterSets.length > 0) return { ok: true, value: { startsPicture: true, keyFrame, parameterSets } };
  return keyFrame ? key : startsPicture ? start : inside;
}
