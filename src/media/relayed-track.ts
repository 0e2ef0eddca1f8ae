import type { Random } from "../core/random.ts";
import type { RtpFields } from "../rtp/header.ts";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../rtp/rtcp/compound.ts";
import { answerNack } from "./answer-nack.ts";
import { createGapTracker } from "./gap-tracker.ts";
import type { IngestStatistics } from "./ingest-statistics.ts";
import { createKeyFrameRequests } from "./key-frame-requests.ts";
import { createPacketHistory, createPacketIndex, type PacketHistory } from "./packet-history.ts";
import type { RingPacket } from "./packet-ring.ts";
import { createReceiverReports } from "./receiver-reports.ts";
import { createRepairBudget, type RepairBudget } from "./repair-budget.ts";
import { createReportAggregator, type ReportSummary, type ViewerReport } from "./report-aggregator.ts";

/** How a relay serves a track. */
export interface RelayedTrackOptions {
  /** The relay's CNAME, the same for all tracks. */
  readonly cname: string;
  readonly random: Random;
  /** The track's statistics, which have each packet before `onMedia` is told of it. */
  readonly ingest: Pick<IngestStatistics, "ssrc" | "payloadType" | "received">;
  /** Milliseconds that packets are kept to be sent again; 0: viewers' requests are not answered. Default 1000. */
  readonly historyMs?: number;
  /** Where packets are kept for as long already, by the ids that `onMedia` is told. Default: the track keeps them itself. */
  readonly packetOf?: ((id: number) => RingPacket | undefined) | undefined;
  /** Clock rate in Hz of a payload type, once it is known. */
  readonly clockRateOf: (payloadType: number) => number | undefined;
}

/** What viewers asked for and got, since the start. */
export interface RepairCounters {
  /** Packets sent again. */
  readonly resent: number;
  /** Packets asked for that were not sent again: not kept, or beyond what repair may take. */
  readonly refused: number;
}

/**
 * The relay between a track's publisher and its viewers, as far as RTCP goes: a receiver to the one, who reports and asks,
 * and the one who answers to the others, so that neither side's traffic grows with the number of viewers.
 */
export interface RelayedTrack {
  /** Takes a packet of media, read and as it came; `now` is its arrival, in ms of a monotonic clock. `id`: for `packetOf`. */
  onMedia(packet: RtpFields, bytes: Uint8Array, now: number, id?: number): void;
  /** Somebody new watches, and has nothing to begin with. */
  wantKeyFrame(): void;
  /** A key frame began: whoever asked for one is served. */
  onKeyFrame(): void;
  /** Takes the publisher's RTCP as it came, and as it went on to the viewers. */
  onPublisherRtcp(packets: readonly RtcpPacket[], passedOn: readonly RtcpPacket[], now: number): void;
  /** Takes a viewer's RTCP. What it asks for again is handed to `resend`, as a view that holds during the call. */
  onViewerRtcp(viewer: string, packets: readonly RtcpPacket[], now: number, resend: (bytes: Uint8Array) => void): void;
  /** The viewer is gone. */
  forget(viewer: string): void;
  /** When `poll` has something, in ms of the clock; `Infinity` for never. */
  wakeAt(): number;
  /** RTCP for the publisher that is due. */
  poll(now: number): Uint8Array[];
  /** What one viewer last said of its leg. */
  viewer(viewer: string, now: number): ViewerReport | undefined;
  /** What all of them say. */
  viewers(now: number): ReportSummary;
  counters(): RepairCounters;
}

/** How long a relay keeps packets to answer with: see `PacketHistoryOptions`. */
export const relayHistoryMs = 1_000;

/** A track that has not begun. */
export function createRelayedTrack(options: RelayedTrackOptions): RelayedTrack {
  const { cname, random, ingest, historyMs = relayHistoryMs, packetOf, clockRateOf } = options;
  const { received } = ingest;
  const reports = createReceiverReports({ cname, random, received });
  const gaps = createGapTracker();
  const mediaSsrc = (): number | undefined => (ingest.ssrc === -1 ? undefined : ingest.ssrc);
  const aggregator = createReportAggregator({ clockRate: () => clockRateOf(ingest.payloadType) });
  const requests = createKeyFrameRequests({ senderSsrc: reports.ssrc, mediaSsrc });
  const budgets = new Map<string, RepairBudget>();
  // Megabytes: only for components that turn out to carry media.
  let history: Pick<PacketHistory, "find"> | undefined;
  let keep = begin;
  let resent = 0;
  let refused = 0;

  function budgetOf(viewer: string): RepairBudget {
    const budget = budgets.get(viewer) ?? createRepairBudget({ rate: received.rate });
    budgets.set(viewer, budget);
    return budget;
  }

  /** Takes the first packet, and has the others kept where it is. */
  function begin(bytes: Uint8Array, now: number, id: number): void {
    if (historyMs === 0) keep = () => {};
    else if (packetOf === undefined) {
      const own = createPacketHistory({ maxAgeMs: historyMs });
      history = own;
      keep = own.add;
    } else {
      const index = createPacketIndex(packetOf, historyMs);
      history = index;
      keep = (packet, _, at) => index.add(at, packet);
    }
    keep(bytes, now, id);
  }

  return {
    onMedia({ ssrc, sequenceNumber, timestamp }, bytes, now, id = 0) {
      reports.onPacket(ssrc, now);
      gaps.onPacket(ssrc, sequenceNumber, timestamp, now);
      keep(bytes, now, id);
    },

    wantKeyFrame() {
      const ssrc = mediaSsrc();
      if (ssrc !== undefined) requests.onRequest("", { type: "pli", senderSsrc: reports.ssrc(), mediaSsrc: ssrc });
    },

    onKeyFrame: requests.onKeyFrame,

    onPublisherRtcp(packets, passedOn, now) {
      for (const packet of packets) if (packet.type === "sender-report") reports.onSenderReport(packet, now);
      for (const packet of passedOn) if (packet.type === "sender-report") aggregator.onSenderReport(packet, now);
    },

    onViewerRtcp(viewer, packets, now, resend) {
      for (const packet of packets) {
        if (packet.type === "nack" && history !== undefined) {
          const outcome = answerNack(packet, now, { history, budget: budgetOf(viewer), send: resend });
          resent += outcome.sent;
          refused += outcome.unknown + outcome.overBudget;
        } else if (packet.type === "pli" || packet.type === "fir") requests.onRequest(viewer, packet);
        else if (packet.type === "receiver-report" || packet.type === "sender-report") {
          for (const block of packet.reports) {
            if (block.ssrc === ingest.ssrc) aggregator.onReport(viewer, block, now);
          }
        }
      }
    },

    forget(viewer) {
      budgets.delete(viewer);
      aggregator.forget(viewer);
    },

    wakeAt: () => Math.min(reports.wakeAt(), requests.wakeAt(), gaps.wakeAt()),

    poll(now) {
      const due: Uint8Array[] = [];
      const report = now >= reports.wakeAt() ? reports.poll(now) : undefined;
      if (report !== undefined) due.push(report);
      const request = now >= requests.wakeAt() ? requests.take(now) : undefined;
      if (request !== undefined) due.push(encodeRtcp([request]));
      if (now < gaps.wakeAt()) return due;
      for (const { ssrc, sequenceNumbers } of gaps.take(now)) {
        due.push(encodeRtcp([{ type: "nack", senderSsrc: reports.ssrc(), mediaSsrc: ssrc, sequenceNumbers }]));
      }
      return due;
    },

    viewer: aggregator.viewer,
    viewers: aggregator.summary,
    counters: () => ({ resent, refused }),
  };
}

/** The packets of an RTCP datagram; none if it cannot be read. */
export function rtcpPacketsOf(bytes: Uint8Array): readonly RtcpPacket[] {
  const packets = decodeRtcp(bytes);
  return packets.ok ? packets.value : [];
}
