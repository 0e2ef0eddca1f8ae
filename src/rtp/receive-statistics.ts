import { classifyDatagram } from "./demux.ts";
import { decodeRtp, type RtpFields } from "./header.ts";
import { SourceStatistics, type SourceTotals } from "./source-statistics.ts";
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
  /** Takes one datagram; `arrivalMs` is of a monotonic clock. Datagrams that are not RTP count in packets and bytes only. */
  onPacket(bytes: Uint8Array, arrivalMs: number): void;
  /** The same for a datagram of `length` bytes that has been read already; says so when a publisher began anew with it. */
  onRtp(packet: RtpFields, length: number, arrivalMs: number): SourceChange | undefined;
  /** The same for a datagram of `length` bytes that is known not to be RTP. */
  onOther(length: number): void;
  /** Totals since the start. */
  snapshot(): ReceiveSnapshot;
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
  const sources = new Map<number, SourceStatistics>();
  let retired = noTotals;
  let runs = 0;
  let packets = 0;
  let bytesReceived = 0;
  let currentSsrc = -1;
  let current = new SourceStatistics();

  function select(ssrc: number): void {
    if (ssrc === currentSsrc) return;
    const source = sources.get(ssrc) ?? new SourceStatistics();
    // Put last in the map's order, so that the first is the one not heard for longest.
    sources.delete(ssrc);
    sources.set(ssrc, source);
    const [oldest] = sources;
    if (sources.size > maxSources && oldest !== undefined) {
      sources.delete(oldest[0]);
      retired = add(retired, oldest[1].totals());
    }
    currentSsrc = ssrc;
    current = source;
  }

  function onOther(length: number): void {
    packets += 1;
    bytesReceived += length;
  }

  function onRtp(packet: RtpFields, length: number, arrivalMs: number): SourceChange | undefined {
    onOther(length);
    select(packet.ssrc);
    const { payloadType } = packet;
    const clockRate = options.clockRateOf?.(payloadType) ?? staticPayloadType(payloadType)?.clockRate;
    const runsBefore = current.runs;
    current.onPacket(packet, arrivalMs, clockRate);
    if (current.runs === runsBefore) return undefined;
    runs += 1;
    if (runs === 1) return undefined;
    return current.runs > 1 ? "same-ssrc" : "new-ssrc";
  }

  return {
    onOther,
    onRtp,
    onPacket(bytes, arrivalMs) {
      const read = classifyDatagram(bytes) === "rtp" ? decodeRtp(bytes) : undefined;
      if (read?.ok) onRtp(read.value, bytes.length, arrivalMs);
      else onOther(bytes.length);
    },
    snapshot() {
      let totals = retired;
      for (const source of sources.values()) totals = add(totals, source.totals());
      const { jitterMs } = current.totals();
      const { lost, duplicates, reordered } = totals;
      return { packets, bytes: bytesReceived, lost, duplicates, reordered, jitterMs, restarts: Math.max(0, runs - 1) };
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
