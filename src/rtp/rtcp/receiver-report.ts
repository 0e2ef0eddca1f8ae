import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint32, writeUint32 } from "../wire.ts";
import { encodeRawPacket, type RawRtcpPacket, type RtcpMalformation, rtcpPacketTypes } from "./packet.ts";
import {
  maxReportBlocks,
  type ReportBlock,
  readReportBlocks,
  reportBlockLength,
  writeReportBlocks,
} from "./report-block.ts";

/** RR (RFC 3550 §6.4.2): what a party that sends no media has received. */
export interface ReceiverReport {
  readonly type: "receiver-report";
  /** The reporting party. */
  readonly ssrc: number;
  /** One per source heard, at most 31; may be empty. */
  readonly reports: readonly ReportBlock[];
}

/** Reads the packet's body. */
export function decodeReceiverReport(raw: RawRtcpPacket): Decoded<ReceiverReport, RtcpMalformation> {
  const reports = readReportBlocks(raw.body, 4, raw.count);
  if (reports === undefined) return malformed("bad-body");
  return decoded({ type: "receiver-report", ssrc: readUint32(raw.body, 0), reports });
}

/** Writes the packet; reports after the 31st are left out. */
export function encodeReceiverReport(report: ReceiverReport): Uint8Array {
  const reports = report.reports.slice(0, maxReportBlocks);
  const body = new Uint8Array(4 + reports.length * reportBlockLength);
  writeUint32(body, 0, report.ssrc);
  writeReportBlocks(body, 4, reports);
  return encodeRawPacket(rtcpPacketTypes.receiverReport, reports.length, body);
}
