import { type Decoded, decoded, malformed } from "../../core/result.ts";
import type { NtpTimestamp } from "../ntp.ts";
import { readUint32, writeUint32 } from "../wire.ts";
import { encodeRawPacket, type RawRtcpPacket, type RtcpMalformation, rtcpPacketTypes } from "./packet.ts";
import {
  maxReportBlocks,
  type ReportBlock,
  readReportBlocks,
  reportBlockLength,
  writeReportBlocks,
} from "./report-block.ts";

/** SR (RFC 3550 §6.4.1): what a source has sent so far, and which instant its RTP timestamp stands for. */
export interface SenderReport {
  readonly type: "sender-report";
  readonly ssrc: number;
  /** The wall clock when the report left. */
  readonly ntp: NtpTimestamp;
  /** The same instant in the payload's clock, so that players can align tracks. */
  readonly rtpTimestamp: number;
  /** RTP packets since the start, modulo 2³². */
  readonly packetCount: number;
  /** Payload bytes since the start (no headers, no padding), modulo 2³². */
  readonly octetCount: number;
  /** What it receives itself, at most 31; usually empty. */
  readonly reports: readonly ReportBlock[];
}

const fixedLength = 24;

/** Reads the packet's body. */
export function decodeSenderReport(raw: RawRtcpPacket): Decoded<SenderReport, RtcpMalformation> {
  const { body, count } = raw;
  const reports = readReportBlocks(body, fixedLength, count);
  if (reports === undefined) return malformed("bad-body");
  return decoded({
    type: "sender-report",
    ssrc: readUint32(body, 0),
    ntp: { seconds: readUint32(body, 4), fraction: readUint32(body, 8) },
    rtpTimestamp: readUint32(body, 12),
    packetCount: readUint32(body, 16),
    octetCount: readUint32(body, 20),
    reports,
  });
}

/** Writes the packet; reports after the 31st are left out. */
export function encodeSenderReport(report: SenderReport): Uint8Array {
  const reports = report.reports.slice(0, maxReportBlocks);
  const body = new Uint8Array(fixedLength + reports.length * reportBlockLength);
  writeUint32(body, 0, report.ssrc);
  writeUint32(body, 4, report.ntp.seconds);
  writeUint32(body, 8, report.ntp.fraction);
  writeUint32(body, 12, report.rtpTimestamp);
  writeUint32(body, 16, report.packetCount);
  writeUint32(body, 20, report.octetCount);
  writeReportBlocks(body, fixedLength, reports);
  return encodeRawPacket(rtcpPacketTypes.senderReport, reports.length, body);
}
