import type { RtpFields } from "./header.ts";
import { createRateMeter, type RateMeter } from "./rate-meter.ts";
import { type SourceReception, SourceStatistics, type SourceTotals } from "./source-statistics.ts";
import { createSourceTable } from "./source-table.ts";
import { staticPayloadType } from "./static-payload-types.ts";

/** What one component has received since the start. */
export interface ReceiveSnapshot {
  /** Datagrams, of whatever kind. */
  readonly packets: number;
  /** Their UDP payloads. */
  readonly bytes: number;
  /** RTP packets that the sequence numbers show missing now (RFC 3550 A.3). */
  readonly lost: number;
  readonly duplicates: number;
  readonly reordered: number;
  /** Interarrival jitter (RFC 3550 A.8) of the source heard last; 0 until its clock rate is known. */
  readonly jitterMs: number;
  /** Times a publisher began anew: a sequence set back, or another SSRC. */
  readonly restarts: number;
}

/** How a publisher began anew: a source set its sequence back, or another source was heard. */
export type SourceChange = "same-ssrc" | "new-ssrc";

/** Counts what arrives on one component. */
export interface ReceiveStatistics {
  /**
   * Takes one datagram of `length` bytes, as the RTP packet that it is, or as `undefined` if it is none: then it counts in
   * packets and bytes only. `arrivalMs` is of a monotonic clock. Says so when a publisher began anew with it.
   */
  onPacket(packet: RtpFields | undefined, length: number, arrivalMs: number): SourceChange | undefined;
  /** Totals since the start. */
  snapshot(): ReceiveSnapshot;
  /** What a report block needs to know of one source; `undefined` if it has not been heard, or not for long. */
  reception(ssrc: number): SourceReception | undefined;
  /** Of all datagrams. */
  readonly rate: Pick<RateMeter, "totalBytes" | "bytesPerSecond">;
}

/** How to count. */
export interface ReceiveStatisticsOptions {
  /** Clock rate in Hz of a payload type, from the SDP. Default: RFC 3551's static types, others by estimate. */
  readonly clockRateOf?: (payloadType: number) => number | undefined;
}

/**
 * Sources followed at a time. More than one for repair streams or tracks that share a port, few enough that a flood of
 * invented SSRCs costs neither memory nor time: the one not heard for longest gives way.
 */
const maxSources = 8;

const noTotals: SourceTotals = { lost: 0, duplicates: 0, reordered: 0, jitterMs: 0, runs: 0 };

/** Statistics of one component. They survive changes of SSRC and senders that set their sequence back. */
export function createReceiveStatistics(options: ReceiveStatisticsOptions = {}): ReceiveStatistics {
  let retired = noTotals;
  const sources = createSourceTable<SourceStatistics>(
    () => new SourceStatistics(),
    (dropped) => {
      retired = add(retired, dropped.totals());
    },
    maxSources,
  );
  const rate = createRateMeter();
  let runs = 0;
  let packets = 0;
  let current: SourceStatistics | undefined;

  return {
    rate,
    onPacket(packet, length, arrivalMs) {
      packets += 1;
      rate.onPacket(length, arrivalMs);
      if (packet === undefined) return undefined;
      const source = sources.get(packet.ssrc);
      current = source;
      const { payloadType } = packet;
      const clockRate = options.clockRateOf?.(payloadType) ?? staticPayloadType(payloadType)?.clockRate;
      const runsBefore = source.runs;
      source.onPacket(packet, arrivalMs, clockRate);
      if (source.runs === runsBefore) return undefined;
      runs += 1;
      if (runs === 1) return undefined;
      return source.runs > 1 ? "same-ssrc" : "new-ssrc";
    },
    reception: (ssrc) => sources.find(ssrc)?.reception(),
    snapshot() {
      let totals = retired;
      for (const [, source] of sources.entries()) totals = add(totals, source.totals());
      const { lost, duplicates, reordered } = totals;
      return {
        ...{ packets, bytes: rate.totalBytes(), lost, duplicates, reordered },
        jitterMs: current?.totals().jitterMs ?? 0,
        restarts: Math.max(0, runs - 1),
      };
    },
  };
}

function add(a: SourceTotals, b: SourceTotals): SourceTotals {
  return {
    lost: a.lost + b.lost,
    duplicates: a.duplicates + b.duplicates,
    reordered: a.reordered + b.reordered,
    jitterMs: 0,
    runs: a.runs + b.runs,
  };
}
