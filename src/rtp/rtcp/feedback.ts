import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "../wire.ts";
import { encodeRawPacket, type RawRtcpPacket, type RtcpMalformation, rtcpPacketTypes } from "./packet.ts";

/** Who gives feedback on whose media (RFC 4585 §6.1). */
interface FeedbackParties {
  /** The party that writes. */
  readonly senderSsrc: number;
  /** The source it is about; 0 where the entries name the sources (FIR). */
  readonly mediaSsrc: number;
}

/** Generic NACK (RFC 4585 §6.2.1): packets to send again. */
export interface GenericNack extends FeedbackParties {
  readonly type: "nack";
  /** Each 0-65535. In ascending order (over the wrap, too) they take least room: 4 bytes for up to 17 neighbours. */
  readonly sequenceNumbers: readonly number[];
}

/** Picture Loss Indication (RFC 4585 §6.3.1): the decoder lacks a picture and wants a keyframe. */
export interface PictureLossIndication extends FeedbackParties {
  readonly type: "pli";
}

/** Full Intra Request (RFC 5104 §4.3.1): a keyframe for a party that has just joined. */
export interface FullIntraRequest extends FeedbackParties {
  readonly type: "fir";
  /** Sources that shall send one; a new command has a new `sequenceNumber` (0-255), a repeated one the same. */
  readonly requests: readonly { readonly ssrc: number; readonly sequenceNumber: number }[];
}

/** The feedback messages known here. */
export type Feedback = GenericNack | PictureLossIndication | FullIntraRequest;

/** FMT values (RFC 4585 §6.2, §6.3; RFC 5104 §4.3). */
const nackFormat = 1;
const pliFormat = 1;
const firFormat = 4;

const partiesLength = 8;

/** Reads the packet's body; a format not known here comes back as it is. */
export function decodeFeedback(raw: RawRtcpPacket): Decoded<Feedback | RawRtcpPacket, RtcpMalformation> {
  const { body, count: format } = raw;
  if (body.length < partiesLength) return malformed("bad-body");
  const parties = { senderSsrc: readUint32(body, 0), mediaSsrc: readUint32(body, 4) };
  if (raw.packetType === rtcpPacketTypes.transportFeedback) {
    return decoded(
      format === nackFormat ? { type: "nack", ...parties, sequenceNumbers: readSequenceNumbers(body) } : raw,
    );
  }
  if (format === pliFormat) return decoded({ type: "pli", ...parties });
  if (format !== firFormat) return decoded(raw);
  if ((body.length - partiesLength) % 8 !== 0) return malformed("bad-body");
  const requests = Array.from({ length: (body.length - partiesLength) / 8 }, (_, i) => {
    const at = partiesLength + i * 8;
    return { ssrc: readUint32(body, at), sequenceNumber: body[at + 4] ?? 0 };
  });
  return decoded({ type: "fir", ...parties, requests });
}

/** Writes the packet. */
export function encodeFeedback(feedback: Feedback): Uint8Array {
  switch (feedback.type) {
    case "nack":
      return encodeNack(feedback);
    case "pli":
      return encodeRawPacket(rtcpPacketTypes.payloadFeedback, pliFormat, bodyFor(feedback, 0));
    case "fir": {
      const body = bodyFor(feedback, feedback.requests.length * 8);
      feedback.requests.forEach(({ ssrc, sequenceNumber }, i) => {
        writeUint32(body, partiesLength + i * 8, ssrc);
        body[partiesLength + i * 8 + 4] = sequenceNumber;
      });
      return encodeRawPacket(rtcpPacketTypes.payloadFeedback, firFormat, body);
    }
  }
}

function bodyFor(parties: FeedbackParties, more: number): Uint8Array {
  const body = new Uint8Array(partiesLength + more);
  writeUint32(body, 0, parties.senderSsrc);
  writeUint32(body, 4, parties.mediaSsrc);
  return body;
}

/** Entries of two halves: a packet, and a bit for each of the 16 that follow it (PID and BLP). */
function readSequenceNumbers(body: Uint8Array): number[] {
  const sequenceNumbers: number[] = [];
  for (let at = partiesLength; at + 4 <= body.length; at += 4) {
    const first = readUint16(body, at);
    const following = readUint16(body, at + 2);
    sequenceNumbers.push(first);
    for (let i = 0; i < 16; i += 1) if ((following >>> i) & 1) sequenceNumbers.push((first + i + 1) & 0xffff);
  }
  return sequenceNumbers;
}

function encodeNack(nack: GenericNack): Uint8Array {
  const entries: { first: number; following: number }[] = [];
  for (const sequenceNumber of nack.sequenceNumbers) {
    const entry = entries.at(-1);
    const distance = entry === undefined ? -1 : (sequenceNumber - entry.first) & 0xffff;
    if (entry === undefined || distance > 16) entries.push({ first: sequenceNumber, following: 0 });
    else if (distance > 0) entry.following |= 1 << (distance - 1);
  }
  const body = bodyFor(nack, entries.length * 4);
  entries.forEach(({ first, following }, i) => {
    writeUint16(body, partiesLength + i * 4, first);
    writeUint16(body, partiesLength + i * 4 + 2, following);
  });
  return encodeRawPacket(rtcpPacketTypes.transportFeedback, nackFormat, body);
}
