import type { NtpTimestamp } from "../rtp/ntp.ts";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../rtp/rtcp/compound.ts";
import type { SenderReport } from "../rtp/rtcp/sender-report.ts";
import { isUnchanged, type Run } from "./run.ts";
import type { RunProgress } from "./run-progress.ts";

/** What the reports of a track need to know of its media. */
export interface ReportedTrack {
  run(): Run | undefined;
  progress(): RunProgress | undefined;
  isCompanion(ssrc: number): boolean;
  onBye(): void;
}

/** The RTCP of one track's publisher, made to tell of one run. */
export interface ContinuedReports {
  /** Takes a datagram of RTCP, which may come on either component of the track. */
  push(component: number, bytes: Uint8Array, now: number): void;
  /** A run has begun: what was held for it goes on. */
  onRun(now: number): void;
  /** Media has come: a goodbye that waits was not meant. */
  onMedia(): void;
  /** The shift of timestamps that the held report of this source asks for, given the NTP shift of its restart. */
  shiftByReports(ssrc: number, ntpSeconds: number): number | undefined;
  release(now: number): void;
  wakeAt(): number;
}

interface Waiting {
  readonly component: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}

/**
 * A goodbye waits as long as a relay keeps the place of a silent publisher, and reaches players only if nothing has come
 * by then: at the first one they end, and could not be brought back.
 */
const goodbyeMs = 10_000;

/** Reports of one run agree within this: frames are reordered, and a report may name the moment before or after its frame. */
const toleranceSeconds = 1;

/** What is not known of a sender yet: it may buffer or encode for so long. */
const mostLeadSeconds = 5;

/** A second report of the run that it is not yet time for shows that the run has changed its mind, not its start. */
const insistMs = 3_000;

/** Reports that players could connect with another run are held until it has begun. */
export function createContinuedReports(options: {
  readonly track: ReportedTrack;
  readonly deliver: (component: number, bytes: Uint8Array) => void;
}): ContinuedReports {
  const { track, deliver } = options;
  /** The last report as players saw it. */
  let line: { readonly ntp: number; readonly rtpTimestamp: number } | undefined;
  /** How far reports of this run are ahead of its packets, in seconds. */
  let lead: number | undefined;
  let held: (Waiting & { readonly report: SenderReport }) | undefined;
  let goodbye: Waiting | undefined;
  /** A report that came before any packet. */
  let first: { readonly report: SenderReport; readonly at: number } | undefined;

  /** Whether a sender report is of a run that has not begun; notes what it says if it is of the present one. */
  function isEarly(report: SenderReport, run: Run, progress: RunProgress, now: number): boolean {
    if (report.ssrc !== run.ssrc) return !track.isCompanion(report.ssrc);
    const ahead = leadOf(report, now, progress);
    lead ??= first && leadOf(first.report, first.at, progress);
    const agrees = lead === undefined ? Math.abs(ahead) <= mostLeadSeconds : Math.abs(ahead - lead) <= toleranceSeconds;
    const insists = held?.report.ssrc === report.ssrc && now - held.at >= insistMs;
    if (agrees || insists) lead = ahead;
    return !agrees && !insists;
  }

  function pushPackets(at: Waiting, packets: readonly RtcpPacket[], now: number): void {
    const run = track.run();
    const progress = track.progress();
    if (run === undefined || progress === undefined) {
      for (const packet of packets) if (packet.type === "sender-report") noteFirst(packet, now);
      deliver(at.component, at.bytes);
      return;
    }
    for (const report of packets) {
      if (report.type !== "sender-report" || !isEarly(report, run, progress, now)) continue;
      held = { ...at, report };
      return;
    }
    const isGone = (ssrc: number): boolean => ssrc === run.ssrc || ssrc === run.publicSsrc;
    const byes = packets.filter((packet) => packet.type === "bye" && packet.ssrcs.some(isGone));
    const rest = packets.filter((packet) => !byes.includes(packet)).map((packet) => rewrite(packet, run, progress));
    if (byes.length > 0) {
      track.onBye();
      goodbye = { component: at.component, at: now, bytes: goodbyeOf(run) };
      // An empty report in front of the goodbye says nothing without it.
      if (rest.some(({ type }) => type !== "receiver-report")) deliver(at.component, encodeRtcp(rest));
      return;
    }
    deliver(at.component, isUnchanged(run) ? at.bytes : encodeRtcp(rest));
  }

  function rewrite(packet: RtcpPacket, run: Run, progress: RunProgress): RtcpPacket {
    const publicOf = (ssrc: number): number => (ssrc === run.ssrc ? run.publicSsrc : ssrc);
    switch (packet.type) {
      case "sender-report": {
        if (packet.ssrc !== run.ssrc) return packet;
        const rtpTimestamp = (packet.rtpTimestamp + run.timestampShift) >>> 0;
        const { restart } = run;
        if (restart !== undefined && restart.ntpSeconds === undefined) {
          const expected = line && line.ntp + ((rtpTimestamp - line.rtpTimestamp) | 0) / progress.clockRate();
          restart.ntpSeconds = expected === undefined ? 0 : expected - secondsOf(packet.ntp);
        }
        const ntp = shiftedNtp(packet.ntp, restart?.ntpSeconds ?? 0);
        const report = { ...packet, ssrc: run.publicSsrc, ntp, rtpTimestamp };
        noteLine(report);
        return report;
      }
      case "receiver-report":
        return { ...packet, ssrc: publicOf(packet.ssrc) };
      case "source-description":
        return { ...packet, chunks: packet.chunks.map((chunk) => ({ ...chunk, ssrc: publicOf(chunk.ssrc) })) };
      default:
        return packet;
    }
  }

  function noteFirst(report: SenderReport, at: number): void {
    first = { report, at };
    noteLine(report);
  }

  function noteLine({ ntp, rtpTimestamp }: SenderReport): void {
    line = { ntp: secondsOf(ntp), rtpTimestamp };
  }

  function push(component: number, bytes: Uint8Array, now: number): void {
    const packets = decodeRtcp(bytes);
    if (packets.ok) pushPackets({ component, bytes, at: now }, packets.value, now);
    else deliver(component, bytes);
  }

  return {
    push,

    onRun(now) {
      lead = undefined;
      first = undefined;
      const waiting = held;
      held = undefined;
      if (waiting !== undefined && waiting.report.ssrc === track.run()?.ssrc && now - waiting.at <= goodbyeMs) {
        push(waiting.component, waiting.bytes, now);
      }
    },

    onMedia() {
      goodbye = undefined;
    },

    shiftByReports(ssrc, ntpSeconds) {
      const clockRate = track.progress()?.clockRate();
      if (held?.report.ssrc !== ssrc || line === undefined || clockRate === undefined) return undefined;
      const ticks = (secondsOf(held.report.ntp) + ntpSeconds - line.ntp) * clockRate;
      return line.rtpTimestamp + ticks - held.report.rtpTimestamp;
    },

    release(now) {
      if (goodbye === undefined || now < goodbye.at + goodbyeMs) return;
      const { component, bytes } = goodbye;
      goodbye = undefined;
      deliver(component, bytes);
    },

    wakeAt: () => (goodbye === undefined ? Number.POSITIVE_INFINITY : goodbye.at + goodbyeMs),
  };
}

/** How far a report that came at `at` is ahead of the packets' timestamps, in seconds. */
function leadOf(report: SenderReport, at: number, progress: RunProgress): number {
  const { top } = progress;
  return ((report.rtpTimestamp - top.timestamp) | 0) / progress.clockRate() - (at - top.at) / 1000;
}

/** RFC 3550 §6.1: a report comes first, if only an empty one. */
function goodbyeOf({ publicSsrc }: Run): Uint8Array {
  return encodeRtcp([
    { type: "receiver-report", ssrc: publicSsrc, reports: [] },
    { type: "bye", ssrcs: [publicSsrc] },
  ]);
}

/** Seconds since 1900: half a microsecond is left of a double's precision, a twentieth of the finest clock's tick. */
function secondsOf({ seconds, fraction }: NtpTimestamp): number {
  return seconds + fraction / 2 ** 32;
}

function shiftedNtp(ntp: NtpTimestamp, bySeconds: number): NtpTimestamp {
  if (bySeconds === 0) return ntp;
  const total = secondsOf(ntp) + bySeconds;
  const seconds = Math.floor(total);
  return { seconds: seconds >>> 0, fraction: Math.floor((total - seconds) * 2 ** 32) >>> 0 };
}
