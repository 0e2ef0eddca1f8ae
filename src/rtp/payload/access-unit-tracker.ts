import type { RtpPacket } from "../header.ts";
import { inspectPayload, type VideoCodec } from "./inspect.ts";

/** What one packet is to the access unit (the picture with all that belongs before it) that its timestamp names. */
export interface AccessUnitPosition {
  /** Newer than all before it, and of another timestamp: an access unit begins. */
  readonly startsUnit: boolean;
  /** The unit is found to be a key frame by this packet; said once per unit. */
  readonly keyFrame: boolean;
  /** The packet came after one with a higher sequence number. */
  readonly late: boolean;
  /**
   * Sequence number of the first packet of this packet's unit, as far as it has come. For a key frame a decoder can begin
   * there: parameter sets, delimiter and SEI share the picture's timestamp (RFC 6184 §5.1, RFC 7798 §4.1).
   */
  readonly firstSequenceNumber: number;
}

/** Follows the access units of one video source. */
export interface AccessUnitTracker {
  onPacket(packet: RtpPacket): AccessUnitPosition;
}

/** A number further behind than this is a sender that began anew, not one that was overtaken: 1 s at 10 Mbit/s. */
const maxBehind = 1024;

/**
 * Makes a tracker for one source (SSRC) of this codec. A sender that sets its sequence back by less than 1,024 is taken for
 * late packets until it has caught up: make a new tracker when a new start is known.
 */
export function createAccessUnitTracker(codec: VideoCodec): AccessUnitTracker {
  let timestamp = -1;
  let highest = 0;
  let first = 0;
  let keyFrameTimestamp = -1;
  return {
    onPacket(packet) {
      const { sequenceNumber } = packet;
      const ahead = ((sequenceNumber - highest) << 16) >> 16;
      const late = timestamp !== -1 && ahead < 0 && ahead > -maxBehind;
      const facts = inspectPayload(codec, packet.payload);
      const sameUnit = packet.timestamp === timestamp;
      if (late && !sameUnit) {
        return { startsUnit: false, keyFrame: false, late, firstSequenceNumber: sequenceNumber };
      }
      if (!sameUnit) {
        timestamp = packet.timestamp;
        first = sequenceNumber;
      } else if (((sequenceNumber - first) << 16) >> 16 < 0) first = sequenceNumber;
      if (!late) highest = sequenceNumber;
      const keyFrame = facts.ok && facts.value.keyFrame && keyFrameTimestamp !== packet.timestamp;
      if (keyFrame) keyFrameTimestamp = packet.timestamp;
      else if (!sameUnit) keyFrameTimestamp = -1;
      return { startsUnit: !sameUnit, keyFrame, late, firstSequenceNumber: first };
    },
  };
}
