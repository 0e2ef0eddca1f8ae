import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { createGapTracker, type GapTracker } from "../media/gap-tracker.ts";
import { createReceiverReports, type ReceiverReports } from "../media/receiver-reports.ts";
import { createReorderBuffer, type ReorderBuffer } from "../media/reorder-buffer.ts";
import { classifyDatagram } from "../rtp/demux.ts";
import { decodeRtp } from "../rtp/header.ts";
import type { ReceiveStatistics } from "../rtp/receive-statistics.ts";
import { decodeRtcp } from "../rtp/rtcp/compound.ts";
import { encodeFeedback } from "../rtp/rtcp/feedback.ts";

/** What a viewer's repair is made of. */
export interface RepairOptions {
  /** How long a packet waits for those missing before it, in ms; 0 hands on everything at once. */
  readonly latencyMs: number;
  /** Whether to ask the relay for what is missing. */
  readonly asks: boolean;
  /** Whether to tell the relay how this leg fares: not to one that takes any datagram for a bare punch. */
  readonly reports: boolean;
  /** A component's statistics, which have each packet before `receive` gets it. */
  readonly receivedOf: (component: number) => Pick<ReceiveStatistics, "reception" | "rate">;
  readonly clock: Clock;
  readonly random: Random;
  /** Sends RTCP to the relay, from the socket of the component. */
  readonly send: (component: number, bytes: Uint8Array) => void;
  /** Hands a packet to the player. */
  readonly deliver: (component: number, bytes: Uint8Array) => void;
}

/** Totals of one component since the start. */
export interface RepairStats {
  /** Packets that were missing and asked for. */
  readonly requested: number;
  /** Of these, those that came. */
  readonly repaired: number;
  /** Packets handed on after one with a higher number. */
  readonly late: number;
  /** Packets that came twice, handed on once. */
  readonly duplicates: number;
}

/** What stands between the holes of a viewer and its player. */
export interface Repair {
  /** Takes what came from the relay on a component; what is for the player goes on to `deliver`. */
  receive(component: number, bytes: Uint8Array): void;
  /** The round trip to the relay was measured. */
  noteRtt(rttMs: number): void;
  stats(component: number): RepairStats;
  /** Hands on what still waits, and stops the timer. */
  close(): void;
}

interface Lane {
  readonly component: number;
  readonly gaps: GapTracker;
  readonly reports: ReceiverReports;
  readonly buffer: ReorderBuffer;
}

/** A relay keeps about a second, and players that reorder wait no longer: without a buffer this bounds the requests. */
const patientMs = 1_000;

const noStats: RepairStats = { requested: 0, repaired: 0, late: 0, duplicates: 0 };

/**
 * Repairs the components of RTP, the even ones: asks for missing packets with generic NACKs (RFC 4585, on their own as
 * RFC 5506 allows), puts packets in order, drops what came twice, and reports every five seconds (RFC 3550 §6.4.2).
 */
export function createRepair(options: RepairOptions): Repair {
  const { latencyMs, clock, random, send, deliver, receivedOf } = options;
  const lanes = new Map<number, Lane>();
  const cname = Buffer.from(random.bytes(12)).toString("base64");
  let rttMs: number | undefined;
  let wakesAt = Number.POSITIVE_INFINITY;
  let cancel = (): void => {};

  function laneOf(component: number): Lane {
    const known = lanes.get(component);
    if (known !== undefined) return known;
    const lane: Lane = {
      component,
      gaps: createGapTracker({ deadlineMs: latencyMs > 0 ? latencyMs : patientMs }),
      reports: createReceiverReports({ cname, random, received: receivedOf(component) }),
      buffer: createReorderBuffer({ latencyMs, deliver: (bytes) => deliver(component, bytes) }),
    };
    if (rttMs !== undefined) lane.gaps.noteRtt(rttMs);
    lanes.set(component, lane);
    return lane;
  }

  /** Does what is due on a component, and returns when something is next. */
  function serve({ component, gaps, reports, buffer }: Lane, now: number): number {
    if (now >= buffer.wakeAt()) buffer.release(now);
    if (options.asks && now >= gaps.wakeAt()) {
      for (const { ssrc: mediaSsrc, sequenceNumbers } of gaps.take(now)) {
        send(component, encodeFeedback({ type: "nack", senderSsrc: reports.ssrc(), mediaSsrc, sequenceNumbers }));
      }
    }
    if (options.reports && now >= reports.wakeAt()) {
      const report = reports.poll(now);
      if (report !== undefined) send(component, report);
    }
    return Math.min(
      buffer.wakeAt(),
      options.asks ? gaps.wakeAt() : Number.POSITIVE_INFINITY,
      options.reports ? reports.wakeAt() : Number.POSITIVE_INFINITY,
    );
  }

  /** Sets the timer anew only if something is due earlier than it goes off: setting one for each packet costs more. */
  function wake(at: number, now: number): void {
    if (at >= wakesAt) return;
    cancel();
    wakesAt = at;
    cancel = clock.schedule(Math.max(0, at - now), onTimer);
  }

  function onTimer(): void {
    wakesAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    for (const lane of lanes.values()) wake(serve(lane, now), now);
  }

  function receiveRtp(component: number, bytes: Uint8Array, now: number): void {
    const lane = laneOf(component);
    const packet = decodeRtp(bytes);
    if (packet.ok) {
      const { ssrc, sequenceNumber, timestamp } = packet.value;
      lane.gaps.onPacket(ssrc, sequenceNumber, timestamp, now);
      lane.reports.onPacket(ssrc, now);
    }
    lane.buffer.push(bytes, now);
    wake(serve(lane, now), now);
  }

  function receiveRtcp(component: number, bytes: Uint8Array, now: number): void {
    deliver(component, bytes);
    // The RTCP of a track is the component after its RTP, and may share its port (RFC 5761).
    const lane = lanes.get(component & ~1);
    const packets = lane && decodeRtcp(bytes);
    if (!packets?.ok) return;
    for (const packet of packets.value) if (packet.type === "sender-report") lane?.reports.onSenderReport(packet, now);
  }

  return {
    receive(component, bytes) {
      const kind = classifyDatagram(bytes);
      if (kind === "rtcp") receiveRtcp(component, bytes, clock.now());
      else if (kind === "rtp" && component % 2 === 0) receiveRtp(component, bytes, clock.now());
      else deliver(component, bytes);
    },

    noteRtt(measuredMs) {
      rttMs = measuredMs;
      for (const { gaps } of lanes.values()) gaps.noteRtt(measuredMs);
    },

    stats(component) {
      const lane = lanes.get(component);
      if (lane === undefined) return noStats;
      const { requested, repaired } = lane.gaps.counters();
      return { requested, repaired, ...lane.buffer.counters() };
    },

    close() {
      cancel();
      // Nothing is due earlier, so nothing is scheduled again.
      wakesAt = Number.NEGATIVE_INFINITY;
      for (const { buffer } of lanes.values()) buffer.flush();
    },
  };
}
