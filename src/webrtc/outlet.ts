import { rtcpPacketsOf } from "../media/relayed-track.ts";
import { createRepairBudget } from "../media/repair-budget.ts";
import { createReportAggregator } from "../media/report-aggregator.ts";
import type { StreamCache } from "../media/stream-cache.ts";
import { ntpFromWallMs } from "../rtp/ntp.ts";
import { createRateMeter } from "../rtp/rate-meter.ts";
import { encodeRtcp } from "../rtp/rtcp/compound.ts";
import type { ReportBlock } from "../rtp/rtcp/report-block.ts";
import type { SenderReport } from "../rtp/rtcp/sender-report.ts";
import { describeSource } from "../rtp/rtcp/source-description.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "../rtp/wire.ts";
import type { Lane } from "./lane.ts";
import type { LegFigures } from "./messages.ts";

/** One track of one browser. */
export interface OutletOptions {
  readonly lane: Lane;
  readonly cache: StreamCache;
  /** As the browser numbers the codec. */
  readonly payloadType: number;
  readonly ssrc: number;
  readonly cname: string;
  /** Random beginnings (RFC 3550 §5.1), 16 and 32 bits. */
  readonly firstSequenceNumber: number;
  readonly timestampOffset: number;
  /** False: it could not be sent. */
  readonly send: (bytes: Uint8Array) => boolean;
  /** The browser lacks a picture that the cache cannot show it. */
  readonly wantKeyFrame: () => void;
}

/** Sends a lane to a browser: from the last key frame on, faster than it came until the present is reached. */
export interface Outlet {
  /** Sends what is due at `now`. To be called when the lane has grown and, while it is catching up, every few ms. */
  pump(now: number): void;
  /** Whether it is still showing the past. */
  isCatchingUp(): boolean;
  /** Takes the browser's RTCP. */
  onRtcp(bytes: Uint8Array, now: number): void;
  /** A sender report that ties `wallMs` (ms since 1970) to the lane's `timestamp`; nothing while it is catching up. */
  report(wallMs: number, timestamp: number, now: number): void;
  /** What was sent and what the browser said of it. */
  figures(now: number): LegFigures;
}

/**
 * How fast the past is shown: two seconds take half of one. Faster would fill the queues of slow paths and outrun slow
 * decoders; slower would keep the viewer behind for longer.
 */
const speed = 4;

/**
 * A request for a picture is answered from the cache once a second at most, and half as often each time that this did not
 * help, down to four times a minute: bad paths, and decoders that will never be content, must not be filled with repeats.
 */
const replayIntervalMs = 1_000;
const replayIntervalMaxMs = 16_000;

/** A request this soon after a key frame was written before the key frame came. */
const justShownMs = 500;

/** Packets that can be asked for again: two seconds of 10 Mbit/s. A power of two. */
const memory = 2_048;

/** Begins at the cache's last key frame, if it has one, with the next packet otherwise; sound begins with the next. */
export function createOutlet(options: OutletOptions): Outlet {
  const { lane, cache, payloadType, ssrc, timestampOffset, send } = options;
  const { component, kind, clockRate } = lane.track;
  const meter = createRateMeter();
  const budget = createRepairBudget({ rate: meter });
  const sentIds = new Int32Array(memory).fill(-1);
  const sentNumbers = new Uint16Array(memory);
  const sentTimestamps = new Uint32Array(memory);
  let cursor = 0;
  let hasBegun = false;
  /** The next packet does not follow on the one before. */
  let isJump = true;
  let past: { readonly startedAt: number; readonly beganMs: number } | undefined;
  /** What is added to the lane's numbers. */
  let sequenceOffset = 0;
  let before: { readonly sequence: number; readonly timestamp: number } | undefined;
  let lastOut = timestampOffset;
  /** Set while timestamps still have to be kept from going back to where the past has brought them. */
  let floor: number | undefined;
  let replayedAt = Number.NEGATIVE_INFINITY;
  let intervalMs = replayIntervalMs;
  let packets = 0;
  let octets = 0;
  const sent = { packets: 0, bytes: 0, drops: 0 };
  const said = createReportAggregator({ clockRate: () => clockRate });

  function beginPast(now: number): boolean {
    const start = kind === "video" ? cache.start(component) : undefined;
    const first = start === undefined ? undefined : cache.read(component, start);
    if (start === undefined || first === undefined) return false;
    cursor = start;
    past = { startedAt: now, beganMs: first.atMs };
    replayedAt = now;
    isJump = true;
    if (before !== undefined) floor = lastOut;
    return true;
  }

  /** The past is shown as if it were now, so that the browser has nothing to make up for when it has seen it. */
  function timestampFor(own: number, now: number): number {
    if (before !== undefined && before.timestamp === own) return lastOut;
    const isPast = past !== undefined;
    const media = isPast ? (lane.timestampAt(now) ?? own) : own;
    const out = (media + timestampOffset) >>> 0;
    if (isPast || floor !== undefined) {
      const limit = floor ?? out;
      const isAhead = floor === undefined || ((out - limit) | 0) > 0;
      const shown = isAhead ? out : (limit + 1) >>> 0;
      floor = isPast || !isAhead ? shown : undefined;
      return shown;
    }
    return out;
  }

  /** Numbers go on by as much as the lane's do; by one where the past is shown again. */
  function sequenceFor(own: number): number {
    if (isJump) {
      const next = before === undefined ? options.firstSequenceNumber : before.sequence + 1;
      sequenceOffset = (next - own) & 0xffff;
      isJump = false;
    }
    return (own + sequenceOffset) & 0xffff;
  }

  function transmit(bytes: Uint8Array, id: number, now: number): void {
    const own = readUint32(bytes, 4);
    const timestamp = timestampFor(own, now);
    const sequence = sequenceFor(readUint16(bytes, 2));
    // One that was overtaken has its own place, before those that have been sent.
    if (before === undefined || ((sequence - before.sequence) << 16) >> 16 > 0) {
      before = { sequence, timestamp: own };
      lastOut = timestamp;
    }
    const slot = sequence % memory;
    sentIds[slot] = id;
    sentNumbers[slot] = sequence;
    sentTimestamps[slot] = timestamp;
    packets += 1;
    octets += bytes.length - 12;
    meter.onPacket(bytes.length, now);
    write(bytes, sequence, timestamp);
  }

  function write(packet: Uint8Array, sequence: number, timestamp: number): void {
    const bytes = Buffer.from(packet);
    bytes[1] = ((packet[1] ?? 0) & 0x80) | payloadType;
    writeUint16(bytes, 2, sequence);
    writeUint32(bytes, 4, timestamp);
    writeUint32(bytes, 8, ssrc);
    if (send(bytes)) {
      sent.packets += 1;
      sent.bytes += bytes.length;
    } else sent.drops += 1;
  }

  function resend(sequence: number, now: number): void {
    const slot = sequence % memory;
    const id = sentIds[slot] ?? -1;
    const packet = id < 0 || sentNumbers[slot] !== sequence ? undefined : cache.read(component, id);
    // The cache answers with the next one that it still has.
    if (packet === undefined || packet.next !== id + 1) return;
    if (budget.take(ssrc, sequence, packet.bytes.length, now) !== "send") return;
    write(packet.bytes, sequence, sentTimestamps[slot] ?? 0);
  }

  function onReports(blocks: readonly ReportBlock[], now: number): void {
    for (const block of blocks) if (block.ssrc === ssrc) said.onReport("", block, now);
  }

  function onPictureLost(now: number): void {
    options.wantKeyFrame();
    const start = cache.start(component);
    const keyFrame = start === undefined ? undefined : cache.read(component, start);
    const isJustShown = keyFrame !== undefined && now - keyFrame.atMs < justShownMs;
    const sinceMs = now - replayedAt;
    if (past !== undefined || isJustShown || sinceMs < intervalMs) return;
    intervalMs = sinceMs > 2 * replayIntervalMaxMs ? replayIntervalMs : Math.min(2 * intervalMs, replayIntervalMaxMs);
    beginPast(now);
  }

  return {
    pump(now) {
      if (!hasBegun) {
        hasBegun = true;
        cursor = lane.end();
        if (!beginPast(now) && kind === "video") options.wantKeyFrame();
      }
      const until = past === undefined ? Number.POSITIVE_INFINITY : past.beganMs + (now - past.startedAt) * speed;
      for (;;) {
        const packet = cache.read(component, cursor);
        if (packet === undefined) break;
        if (packet.atMs > until) return;
        transmit(packet.bytes, packet.next - 1, now);
        cursor = packet.next;
      }
      past = undefined;
    },

    isCatchingUp: () => past !== undefined,

    onRtcp(bytes, now) {
      for (const packet of rtcpPacketsOf(bytes)) {
        if (packet.type === "nack" && packet.mediaSsrc === ssrc) {
          for (const number of packet.sequenceNumbers.slice(0, memory)) resend(number, now);
        } else if (packet.type === "pli" && packet.mediaSsrc === ssrc) onPictureLost(now);
        else if (packet.type === "receiver-report" || packet.type === "sender-report") onReports(packet.reports, now);
        else if (packet.type === "fir" && packet.requests.some((request) => request.ssrc === ssrc)) onPictureLost(now);
      }
    },

    report(wallMs, timestamp, now) {
      if (past !== undefined || packets === 0) return;
      const rtpTimestamp = (timestamp + timestampOffset) >>> 0;
      const counts = { packetCount: packets >>> 0, octetCount: octets >>> 0 };
      const report: SenderReport = {
        ...{ type: "sender-report", ssrc, ntp: ntpFromWallMs(wallMs), rtpTimestamp, ...counts, reports: [] },
      };
      if (send(encodeRtcp([report, describeSource(ssrc, options.cname)]))) said.onSenderReport(report, now);
    },

    figures(now) {
      const report = said.viewer("", now);
      return { component, sent: { ...sent }, ...(report && { report }) };
    },
  };
}
