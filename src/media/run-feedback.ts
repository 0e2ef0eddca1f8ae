import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../rtp/rtcp/compound.ts";
import type { ReportBlock } from "../rtp/rtcp/report-block.ts";
import { isUnchanged, type Run } from "./run.ts";
import { sequenceDistance } from "./sequence-window.ts";

/**
 * Puts the publisher's numbers into RTCP that a player sends about a run. What is about an earlier run, or of a kind that is
 * not known here and may name packets, is left out; `undefined` if nothing remains. Of an unchanged run: as it is.
 */
export function feedbackForRun(bytes: Uint8Array, run: Run): Uint8Array | undefined {
  if (isUnchanged(run)) return bytes;
  const packets = decodeRtcp(bytes);
  if (!packets.ok) return undefined;
  const left = packets.value.map((packet) => translate(packet, run)).filter((packet) => packet !== undefined);
  return left.length === 0 ? undefined : encodeRtcp(left);
}

function translate(packet: RtcpPacket, run: Run): RtcpPacket | undefined {
  const { ssrc, publicSsrc, sequenceShift } = run;
  const isOfRun = (sequenceNumber: number): boolean => sequenceDistance(run.firstSequenceNumber, sequenceNumber) >= 0;
  switch (packet.type) {
    case "receiver-report":
    case "sender-report": {
      const known = packet.reports.filter((block) => {
        return block.ssrc !== publicSsrc || isOfRun(block.highestSequenceNumber & 0xffff);
      });
      return {
        ...packet,
        reports: known.map((block) => (block.ssrc === publicSsrc ? blockForRun(block, run) : block)),
      };
    }
    case "nack": {
      if (packet.mediaSsrc !== publicSsrc) return packet;
      const sequenceNumbers = packet.sequenceNumbers.filter(isOfRun).map((number) => (number - sequenceShift) & 0xffff);
      return sequenceNumbers.length === 0 ? undefined : { ...packet, mediaSsrc: ssrc, sequenceNumbers };
    }
    case "pli":
      return packet.mediaSsrc === publicSsrc ? { ...packet, mediaSsrc: ssrc } : packet;
    case "fir": {
      const requests = packet.requests.map((entry) => (entry.ssrc === publicSsrc ? { ...entry, ssrc } : entry));
      return { ...packet, requests };
    }
    case "raw":
      return undefined;
    default:
      return packet;
  }
}

function blockForRun(block: ReportBlock, run: Run): ReportBlock {
  const { highestSequenceNumber, lastSenderReport } = block;
  const highest = highestSequenceNumber - run.sequenceShift;
  const quoted = lastSenderReport - Math.round((run.restart?.ntpSeconds ?? 0) * 0x1_0000);
  return {
    ...block,
    ssrc: run.ssrc,
    // The wraps are the player's count; its first number may already lie behind one that the publisher has yet to make.
    highestSequenceNumber: highest < 0 ? highest + 0x1_0000 : highest,
    lastSenderReport: lastSenderReport === 0 ? 0 : quoted >>> 0,
  };
}
