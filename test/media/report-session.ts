import assert from "node:assert/strict";
import { createSenderReportRepair, type SenderReportRepairOptions } from "../../src/media/sender-report-repair.ts";
import type { RtpPacket } from "../../src/rtp/header.ts";
import { ntpFromWallMs, wallMsFromNtp } from "../../src/rtp/ntp.ts";
import { decodeRtcp, encodeRtcp } from "../../src/rtp/rtcp/compound.ts";
import { describeSource } from "../../src/rtp/rtcp/source-description.ts";

/** A track as its sender makes it; all times in ms since the publisher began. */
export interface SentTrack {
  readonly kind: "audio" | "video";
  readonly clockRate: number;
  readonly frameMs: number;
  readonly ssrc?: number;
  readonly firstTimestamp?: number;
  /** What a picture's timestamp is ahead of its departure, by its place in the order of sending; every 30th is a key frame. */
  readonly aheadMs?: (picture: number) => number;
  /** The network's delay of a packet. */
  readonly delayMs?: (packet: number) => number;
  /** What the sender takes for its wall clock. */
  readonly wallMs?: (realMs: number) => number;
  /** When reports leave; each but the first stands for the media sent until then. Default: 0, 5 s, 10 s, … */
  readonly reportsAtMs?: readonly number[];
}

/** One report as viewers got it. */
export interface GotReport {
  readonly track: number;
  readonly atMs: number;
  /** Left as it was, byte for byte. */
  readonly isUntouched: boolean;
  /** What the report says: when the sample of RTP timestamp `firstTimestamp` was taken. Absent if it is no sender report. */
  readonly startWallMs?: number;
}

/** The publisher's wall clock when it begins. */
export const startWallMs = 1_790_000_000_000;

type Event = { readonly atMs: number; readonly track: number } & (
  | { readonly packet: RtpPacket; readonly isKeyFrame: boolean }
  | { readonly report: Uint8Array }
);

function events(track: number, sent: SentTrack, durationMs: number): Event[] {
  const { kind, clockRate, frameMs, ssrc = track + 1, firstTimestamp = 3_000_000_000 } = sent;
  const timestampAt = (mediaMs: number): number => Math.round(firstTimestamp + (mediaMs * clockRate) / 1000) >>> 0;
  const all: Event[] = [];
  for (let i = 0; i * frameMs < durationMs; i += 1) {
    // Sound leaves once it has been taken, a picture at once or before it is shown.
    const leavesMs = kind === "audio" ? (i + 1) * frameMs : i * frameMs;
    const timestamp = timestampAt(i * frameMs + (sent.aheadMs?.(i) ?? 0));
    const header = {
      payloadType: 96 + track,
      marker: true,
      headerLength: 12,
      paddingLength: 0,
      payload: new Uint8Array(9),
    };
    const packet = { ...header, ssrc, sequenceNumber: i & 0xffff, timestamp };
    all.push({
      atMs: leavesMs + 10 + (sent.delayMs?.(i) ?? 0),
      track,
      packet,
      isKeyFrame: kind === "video" && i % 30 === 0,
    });
  }
  const times = sent.reportsAtMs ?? Array.from({ length: Math.ceil(durationMs / 5000) }, (_, i) => i * 5000);
  for (const [i, atMs] of times.entries()) {
    const ntp = ntpFromWallMs(sent.wallMs?.(atMs) ?? startWallMs + atMs);
    const counts = { packetCount: i * 100, octetCount: i * 900 };
    const report = {
      type: "sender-report" as const,
      ssrc,
      ntp,
      rtpTimestamp: timestampAt(atMs),
      ...counts,
      reports: [],
    };
    all.push({ atMs: atMs + 9.9, track, report: encodeRtcp([report, describeSource(ssrc, "cname")]) });
  }
  return all;
}

/** Sends the tracks through a repair, with what is known of them unless `options` say otherwise. */
export function session(
  tracks: readonly SentTrack[],
  durationMs: number,
  options: SenderReportRepairOptions = { factsOf: (track) => tracks[track] },
): { reports: GotReport[]; repair: ReturnType<typeof createSenderReportRepair> } {
  const repair = createSenderReportRepair(options);
  const reports: GotReport[] = [];
  const got = (track: number, atMs: number, bytes: Uint8Array, isUntouched: boolean): void => {
    const read = decodeRtcp(bytes);
    const [first] = read.ok ? read.value : [];
    const { clockRate = 1, firstTimestamp = 3_000_000_000 } = tracks[track] ?? {};
    const startWallMs =
      first?.type === "sender-report"
        ? wallMsFromNtp(first.ntp) - (((first.rtpTimestamp - firstTimestamp) | 0) * 1000) / clockRate
        : undefined;
    reports.push({ track, atMs, isUntouched, ...(startWallMs === undefined ? {} : { startWallMs }) });
  };
  const all = tracks.flatMap((sent, track) => events(track, sent, durationMs)).sort((a, b) => a.atMs - b.atMs);
  for (const event of all) {
    if ("report" in event) {
      const bytes = repair.onRtcp(event.track, event.report, event.atMs);
      got(event.track, event.atMs, bytes, bytes === event.report);
    } else {
      const due = repair.onRtp(event.track, event.packet, event.atMs, event.isKeyFrame);
      if (due !== undefined) got(event.track, event.atMs, due, false);
    }
  }
  return { reports, repair };
}

/** Fails unless there are values, all near what is expected. */
export function assertNear(values: readonly number[], expected: number, within: number): void {
  assert.ok(values.length > 0);
  for (const value of values) assert.ok(Math.abs(value - expected) <= within, `${value}, not ${expected} ± ${within}`);
}
