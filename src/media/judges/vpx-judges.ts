import { readVp8Descriptor } from "../../rtp/payload/vp8-inspector.ts";
import { readVp9Descriptor } from "../../rtp/payload/vp9-inspector.ts";
import { readUint24 } from "../../rtp/wire.ts";
import { type Judge, videoJudge } from "./judge.ts";

/** Bits that picture ids are long; a sender may use 7 or 15, and 7 suffices to see them count. */
const pictureIdMask = 0x7f;

/** Frames that fit; their first bytes have few bits to check, so more of them than of H.264. */
const sureAfter = 20;

/** VP8 (RFC 7741): partition 0 begins each frame and no other packet, picture ids count, the first partition fits. */
export function createVp8Judge(): Judge {
  let pictureId: number | undefined;
  let firstPartitionLeft = 0;
  return videoJudge("VP8", sureAfter, ({ packet, follows, step }) => {
    const { payload, marker } = packet;
    const before = follows ? pictureId : undefined;
    pictureId = undefined;
    const read = readVp8Descriptor(payload);
    if (!read.ok) return "against";
    const { startsPartition, partition, length } = read.value;
    pictureId = read.value.pictureId;
    const startsFrame = startsPartition && partition === 0;
    if (!follows) firstPartitionLeft = 0;
    else if (startsFrame !== (step !== 0)) return "against";
    else if (!countsOn(before, pictureId, startsFrame)) return "against";
    if (startsFrame) {
      const tag = payload[length] ?? 0;
      // The tag's version is 0-3 (RFC 6386 §9.1); a key frame's start code comes after its three bytes.
      if (((tag >>> 1) & 0x07) > 3) return "against";
      if ((tag & 1) === 0 && readUint24(payload, length + 3) !== 0x9d012a) return "against";
      firstPartitionLeft = ((payload[length + 2] ?? 0) << 11) | ((payload[length + 1] ?? 0) << 3) | (tag >>> 5);
    }
    firstPartitionLeft -= payload.length - length;
    if (marker && firstPartitionLeft > 0) return "against";
    return startsFrame && follows ? "for" : "nothing";
  });
}

/** VP9 (RFC 9628): frames begin and end where the descriptor says, and begin with their frame marker. */
export function createVp9Judge(): Judge {
  let pictureId: number | undefined;
  let ended = false;
  return videoJudge("VP9", sureAfter, ({ packet, follows, step }) => {
    const { payload, marker } = packet;
    const before = follows ? pictureId : undefined;
    const afterEnd = ended;
    pictureId = undefined;
    const read = readVp9Descriptor(payload);
    if (!read.ok) return "against";
    const { startsFrame, endsFrame, length } = read.value;
    pictureId = read.value.pictureId;
    ended = endsFrame;
    if (marker && !endsFrame) return "against";
    // frame_marker is 2 in two bits (VP9 bitstream specification §7.2).
    if (startsFrame && (payload[length] ?? 0) >>> 6 !== 2) return "against";
    if (!follows) return "nothing";
    if (startsFrame !== afterEnd || (step !== 0 && !startsFrame)) return "against";
    if (!countsOn(before, pictureId, step !== 0)) return "against";
    return startsFrame ? "for" : "nothing";
  });
}

function countsOn(before: number | undefined, pictureId: number | undefined, startsPicture: boolean): boolean {
  if (before === undefined || pictureId === undefined) return true;
  return ((pictureId - before) & pictureIdMask) === (startsPicture ? 1 : 0);
}
