import { classifyDatagram } from "../rtp/demux.ts";
import { decodeRtp } from "../rtp/header.ts";
import { inspectPayload, type VideoCodec, videoCodec } from "../rtp/payload/inspect.ts";
import type { Sdp } from "../sdp/session.ts";

/**
 * Tells whether a packet belongs to a key frame, by the codecs of an SDP's tracks: track i is component 2i. `undefined` if
 * key frames are found in none of them.
 */
export function keyStartsOf(sdp: Sdp): ((component: number, bytes: Uint8Array) => boolean) | undefined {
  const codecs = new Map<number, ReadonlyMap<number, VideoCodec>>();
  for (const [line, { formats }] of sdp.media.entries()) {
    const known = formats.flatMap(({ payloadType, codec = "" }) => {
      const video = videoCodec(codec);
      return video === undefined ? [] : [[payloadType, video] as const];
    });
    if (known.length > 0) codecs.set(2 * line, new Map(known));
  }
  if (codecs.size === 0) return undefined;
  return (component, bytes) => {
    const byType = codecs.get(component);
    if (byType === undefined || classifyDatagram(bytes) !== "rtp") return false;
    const packet = decodeRtp(bytes);
    const codec = packet.ok ? byType.get(packet.value.payloadType) : undefined;
    if (!packet.ok || codec === undefined) return false;
    const facts = inspectPayload(codec, packet.value.payload);
    return facts.ok && facts.value.keyFrame;
  };
}
