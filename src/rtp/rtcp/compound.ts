import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { type Bye, decodeBye, encodeBye } from "./bye.ts";
import { decodeFeedback, encodeFeedback, type Feedback } from "./feedback.ts";
import {
  decodeRawPacket,
  encodeRawPacket,
  type RawRtcpPacket,
  type RtcpMalformation,
  rtcpPacketTypes,
} from "./packet.ts";
import { decodeReceiverReport, encodeReceiverReport, type ReceiverReport } from "./receiver-report.ts";
import { decodeSenderReport, encodeSenderReport, type SenderReport } from "./sender-report.ts";
import { decodeSourceDescription, encodeSourceDescription, type SourceDescription } from "./source-description.ts";

/** Any RTCP packet, told apart by `type`; one whose type or format is not known here is `"raw"`. */
export type RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Bye | Feedback | RawRtcpPacket;

/**
 * Reads the packets of one RTCP datagram (RFC 3550 §6.1). Feedback on its own is accepted (RFC 5506), so the first need
 * not be a report. One packet that is malformed makes the datagram malformed: after it no boundary can be trusted.
 */
export function decodeRtcp(bytes: Uint8Array): Decoded<readonly RtcpPacket[], RtcpMalformation> {
  const packets: RtcpPacket[] = [];
  let at = 0;
  do {
    const raw = decodeRawPacket(bytes, at);
    if (!raw.ok) return raw;
    const packet = decodeBody(raw.value.packet);
    if (!packet.ok) return malformed(packet.reason);
    packets.push(packet.value);
    at = raw.value.end;
  } while (at < bytes.length);
  return decoded(packets);
}

/** Writes one datagram. RFC 3550 §6.1 wants a report first and a CNAME in each; the caller sees to that. */
export function encodeRtcp(packets: readonly RtcpPacket[]): Uint8Array {
  const parts = packets.map(encodePacket);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function decodeBody(raw: RawRtcpPacket): Decoded<RtcpPacket, RtcpMalformation> {
  switch (raw.packetType) {
    case rtcpPacketTypes.senderReport:
      return decodeSenderReport(raw);
    case rtcpPacketTypes.receiverReport:
      return decodeReceiverReport(raw);
    case rtcpPacketTypes.sourceDescription:
      return decodeSourceDescription(raw);
    case rtcpPacketTypes.bye:
      return decodeBye(raw);
    case rtcpPacketTypes.transportFeedback:
    case rtcpPacketTypes.payloadFeedback:
      return decodeFeedback(raw);
    default:
      return decoded(raw);
  }
}

function encodePacket(packet: RtcpPacket): Uint8Array {
  switch (packet.type) {
    case "sender-report":
      return encodeSenderReport(packet);
    case "receiver-report":
      return encodeReceiverReport(packet);
    case "source-description":
      return encodeSourceDescription(packet);
    case "bye":
      return encodeBye(packet);
    case "raw":
      return encodeRawPacket(packet.packetType, packet.count, packet.body);
    default:
      return encodeFeedback(packet);
  }
}
