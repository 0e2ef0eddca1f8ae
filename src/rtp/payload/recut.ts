import { h264NalUnits } from "./h264.ts";
import { h265NalUnits } from "./h265.ts";
import { h264Layout, h265Layout } from "./nal-payload.ts";
import { recutAv1 } from "./recut-av1.ts";
import { nalRecutter } from "./recut-nal.ts";
import { recutVp8 } from "./recut-vp8.ts";
import { createVp9Recutter } from "./recut-vp9.ts";
import type { Recutter } from "./recutter.ts";

/**
 * A recutter for one source of a codec, by its name in the rtpmap in any case. What cannot be cut (sound, unknown codecs)
 * passes as it is. VP8 and VP9 lose their picture numbers, which a receiver can do without and which would forbid to show
 * it a picture again; VP9 with spatial layers keeps its descriptor.
 */
export function createRecutter(codec: string, maxPayload: number): Recutter {
  switch (codec.toUpperCase()) {
    case "H264":
      return nalRecutter(h264Layout, h264NalUnits, maxPayload);
    case "H265":
      return nalRecutter(h265Layout, h265NalUnits, maxPayload);
    case "VP8":
      return recutVp8(maxPayload);
    case "VP9":
      return createVp9Recutter(maxPayload);
    case "AV1":
      return recutAv1(maxPayload);
    default:
      return (payload, marker) => [{ bytes: payload, marker }];
  }
}
