import type { Decoded } from "../../core/result.ts";
import { inspectAv1 } from "./av1-inspector.ts";
import { inspectH264 } from "./h264-inspector.ts";
import { inspectH265 } from "./h265-inspector.ts";
import type { PayloadMalformation } from "./nal-payload.ts";
import type { PayloadFacts, PayloadInspector } from "./payload-facts.ts";
import { inspectVp8 } from "./vp8-inspector.ts";
import { inspectVp9 } from "./vp9-inspector.ts";

/** The codecs whose key frames are found in their packets, by their names in an rtpmap. */
export type VideoCodec = "H264" | "H265" | "VP8" | "VP9" | "AV1";

const inspectors: Readonly<Record<VideoCodec, PayloadInspector>> = {
  H264: inspectH264,
  H265: inspectH265,
  VP8: inspectVp8,
  VP9: inspectVp9,
  AV1: inspectAv1,
};

/** The codec that an rtpmap's name stands for, in any case (RFC 4855 §3); `undefined` for one that is not inspected. */
export function videoCodec(encodingName: string): VideoCodec | undefined {
  const name = encodingName.toUpperCase();
  return Object.hasOwn(inspectors, name) ? (name as VideoCodec) : undefined;
}

/** What a payload of this codec says about pictures. Never throws. */
export function inspectPayload(codec: VideoCodec, payload: Uint8Array): Decoded<PayloadFacts, PayloadMalformation> {
  return inspectors[codec](payload);
}
