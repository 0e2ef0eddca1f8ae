import { basename } from "node:path";
import { type Clock, scheduleEvery, systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { rtpHeaderLength } from "../rtp/header.ts";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../rtp/rtcp/compound.ts";
import { describeSource } from "../rtp/rtcp/source-description.ts";
import { describe, type MediaDescription } from "../sdp/describe.ts";
import type { Sdp } from "../sdp/session.ts";
import type { Media, MediaTrack } from "./media.ts";
import { createPace } from "./pace.ts";
import { createResender } from "./resender.ts";
import { measurePass, scheduleTrack } from "./timeline.ts";
import { createTrackFeed, type TrackFeed } from "./track-feed.ts";
import { chooseSsrcs, createTrackOutput, type TrackCounters } from "./track-output.ts";

/** Where datagrams go. Component 2i is the RTP of track i, 2i+1 its RTCP; nothing is thrown, losses are the transport's. */
export interface SendTransport {
  send(component: number, bytes: Uint8Array): void;
}

/** What a sender needs. */
export interface SenderOptions {
  /** From `openMedia`. Stays the caller's to close, after `onEnd`. */
  readonly media: Media;
  readonly transport: SendTransport;
  /** True: from the start again at the end, with timestamps and sequence numbers going on. Default false. */
  readonly loop?: boolean;
  /** Bytes of the largest UDP payload (RTP header included), 200-65507. Default 1400: fits Ethernet with a tunnel or two. */
  readonly mtu?: number;
  /**
   * Milliseconds from the last frame's end to BYE. Default 500: players take BYE for the end at once, even while packets
   * sent before it still wait in another socket or are on a longer way. More would only delay the end.
   */
  readonly lingerMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Called once a second while sending. */
  readonly onStats?: (stats: SenderStats) => void;
  /** Called once, when the last datagram has been handed over; with an error if the file became unreadable. */
  readonly onEnd?: (error?: PunchcastError) => void;
}

/** What has been sent since the start. */
export interface SenderStats {
  /** Milliseconds of the stream, without pauses that were not made up for. */
  readonly positionMs: number;
  /** Passes completed: 0 while the file plays for the first time. */
  readonly pass: number;
  /** In the order of the components. */
  readonly tracks: readonly (TrackCounters & {
    readonly id: number;
    readonly codec: string;
    /** Packets sent once more since they were asked for; not among `packets`. */
    readonly resent: number;
  })[];
  /** RTCP datagrams that made no sense. */
  readonly malformedFeedback: number;
}

/** One track as it will be on the wire. */
export interface SenderStream extends Pick<MediaTrack, "id" | "codec" | "format"> {
  readonly ssrc: number;
  readonly payloadType: number;
}

/** A file on its way out as RTP. */
export interface Sender {
  /** The tracks, in the order of the components. */
  readonly streams: readonly SenderStream[];
  /**
   * What will be sent, known before the start: RTP of track i to `address` (an IP literal) and port `basePort` + 2i.
   * `writeSdp` makes text of it.
   */
  describe(address: string, basePort: number): Sdp;
  /** Begins with a sender report for each track. Once only. */
  start(): void;
  /** Says BYE and stops at once. Harmless at any time. */
  stop(): void;
  /**
   * Takes in RTCP that came back on a component. Anything may be given. Reports are noted, generic NACKs answered within a
   * quarter of the track's rate; a request for a key frame has no effect, since a file's are where they are.
   */
  receive(component: number, bytes: Uint8Array): void;
  stats(): SenderStats;
}

/** First of the dynamic payload types (RFC 3551 §6). */
const firstPayloadType = 96;

/** RTCP's least interval (RFC 3550 §6.2); with two senders and one or a few receivers it is far below 5 % of the bandwidth. */
const reportIntervalMs = 5000;

/** How far ahead samples are read. Less would let a slow disk be seen; more would hold megabytes for nothing. */
const readAheadMs = 500;

const statsIntervalMs = 1000;

/**
 * Sends a file's tracks in real time: each frame from its decoding time on, its packets spread over its duration. Throws
 * `PunchcastError` `BAD_OPTION` for an impossible `mtu`.
 */
export function createSender(options: SenderOptions): Sender {
  const { media, transport, clock = systemClock, random = systemRandom, lingerMs = 500, onEnd, onStats } = options;
  const maxPayload = checkMtu(options.mtu ?? 1400) - rtpHeaderLength;
  const passes = options.loop === true ? Number.POSITIVE_INFINITY : 1;
  const whole = measurePass(media.tracks);
  const ssrcs = chooseSsrcs(random, media.tracks.length);
  // Says nothing about the host (RFC 7022 §4.2).
  const cname = Buffer.from(random.bytes(12)).toString("base64");
  const lanes = media.tracks.map((track, i) => ({
    track,
    component: 2 * i,
    resender: createResender((bytes) => transport.send(2 * i, bytes)),
    output: createTrackOutput(random, ssrcs[i] ?? 0, firstPayloadType + i, track.format.clockRate),
    feed: createTrackFeed({
      schedule: scheduleTrack(track, whole, passes),
      packetizer: track.format.packetizer(maxPayload),
      readSample: media.readSample,
      onReady: () => pump(),
      onError: (error) => end(error),
    }),
  }));
  let state: "idle" | "sending" | "ended" = "idle";
  let pace = createPace(0);
  let wallOffset = 0;
  let pass = 0;
  let malformedFeedback = 0;
  let cancelPump = (): void => {};
  const timers: (() => void)[] = [];
  const position = (): number => (state === "idle" ? 0 : pace.position(clock.now()));

  function pump(): void {
    if (state !== "sending") return;
    cancelPump();
    const now = clock.now();
    const oldest = earliest(lanes);
    const limit = oldest === undefined ? 0 : pace.release(now, oldest.dueMs);
    for (let next = oldest; next !== undefined && next.dueMs <= limit; next = earliest(lanes)) {
      const { feed, output, component, resender } = next.lane;
      const payload = feed.peek();
      if (payload === undefined) break;
      feed.take();
      pass = Math.max(pass, payload.pass);
      const packet = output.packet(payload);
      transport.send(component, packet);
      resender.onSent(packet, now);
    }
    for (const { feed } of lanes) feed.fill(pace.position(now) + readAheadMs);
    const next = earliest(lanes);
    if (next !== undefined) cancelPump = clock.schedule(pace.delay(now, next.dueMs), pump);
    else if (lanes.every(({ feed }) => feed.done)) {
      cancelPump = clock.schedule(pace.delay(now, whole.lengthSeconds * 1000 + lingerMs), () => end());
    }
  }

  function report(extra: (ssrc: number) => readonly RtcpPacket[] = () => []): void {
    const wallMs = clock.now() + wallOffset;
    for (const { output, component } of lanes) {
      const packets = [output.report(position(), wallMs), describeSource(output.ssrc, cname), ...extra(output.ssrc)];
      transport.send(component + 1, encodeRtcp(packets));
    }
  }

  function end(error?: unknown): void {
    const wasSending = state === "sending";
    state = "ended";
    cancelPump();
    for (const cancel of timers.splice(0)) cancel();
    if (!wasSending) return;
    report((ssrc) => [{ type: "bye", ssrcs: [ssrc] }]);
    if (error === undefined || error instanceof PunchcastError) onEnd?.(error);
    else onEnd?.(new PunchcastError("INTERNAL", `Sending ${media.path} failed: please report this.`, error));
  }

  const stats = (): SenderStats => ({
    positionMs: position(),
    pass,
    tracks: lanes.map(({ track: { id, codec }, output, resender }) => {
      return { id, codec, ...output.counters(), resent: resender.resent() };
    }),
    malformedFeedback,
  });

  const streams = lanes.map(({ track: { id, codec, format }, output: { ssrc, payloadType } }) => {
    return { id, codec, format, ssrc, payloadType };
  });
  return {
    streams,
    describe: (address, basePort) =>
      describe({ sessionName: basename(media.path), address, basePort, media: streams.map(describeStream) }),
    start: () => {
      if (state !== "idle") return;
      state = "sending";
      pace = createPace(clock.now());
      // Read once: a wall clock that is set meanwhile must not tear the tracks apart.
      wallOffset = clock.wallNow() - clock.now();
      report();
      timers.push(scheduleEvery(clock, reportIntervalMs, report));
      if (onStats !== undefined) timers.push(scheduleEvery(clock, statsIntervalMs, () => onStats(stats())));
      pump();
    },
    stop: () => end(),
    receive: (component, bytes) => {
      const packets = decodeRtcp(bytes);
      if (!packets.ok) malformedFeedback++;
      else for (const packet of packets.value) noteFeedback(component, packet);
    },
    stats,
  };

  function noteFeedback(component: number, packet: RtcpPacket): void {
    // From either port of the track (RFC 5761); which packets of which source, the NACK itself says.
    if (packet.type === "nack" && state === "sending") lanes[component >> 1]?.resender.answer(packet, clock.now());
    if (packet.type !== "receiver-report" && packet.type !== "sender-report") return;
    for (const block of packet.reports) {
      lanes.find((lane) => lane.component + 1 === component)?.output.noteReport(block, clock.now() + wallOffset);
    }
  }
}

function describeStream({ payloadType, format }: SenderStream): MediaDescription {
  const { kind, encodingName: codec, clockRate, channels, parameters } = format;
  return {
    ...{ kind, payloadType, codec, clockRate },
    ...(channels === undefined ? {} : { channels }),
    ...(parameters === "" ? {} : { fmtp: parameters }),
  };
}

/** The lane whose next payload is due first, and when. */
function earliest<Lane extends { readonly feed: TrackFeed }>(
  lanes: readonly Lane[],
): { lane: Lane; dueMs: number } | undefined {
  let first: { lane: Lane; dueMs: number } | undefined;
  for (const lane of lanes) {
    const payload = lane.feed.peek();
    if (payload !== undefined && (first === undefined || payload.atMs < first.dueMs)) {
      first = { lane, dueMs: payload.atMs };
    }
  }
  return first;
}

/** Less than 200 would be mostly headers; more than 65507 is not a UDP datagram over IPv4 (65535 less IP's and UDP's headers). */
function checkMtu(mtu: number): number {
  if (Number.isInteger(mtu) && mtu >= 200 && mtu <= 65_507) return mtu;
  throw new PunchcastError(
    "BAD_OPTION",
    `mtu ${mtu} is not a whole number from 200 to 65507: 1400 suits most networks.`,
  );
}
