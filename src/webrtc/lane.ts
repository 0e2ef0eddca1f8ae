import type { StreamCache } from "../media/stream-cache.ts";
import { encodeRtp, type RtpPacket } from "../rtp/header.ts";
import { type AccessUnitTracker, createAccessUnitTracker } from "../rtp/payload/access-unit-tracker.ts";
import { h264NalUnits } from "../rtp/payload/h264.ts";
import { inspectPayload, videoCodec } from "../rtp/payload/inspect.ts";
import { packNalUnits } from "../rtp/payload/nal-unit.ts";
import type { RtpPayload } from "../rtp/payload/packetizer.ts";
import { createRecutter } from "../rtp/payload/recut.ts";
import type { FedTrack } from "./messages.ts";

/** One track of a stream on its way to browsers: recut once for all of them, in the cache that they read. */
export interface Lane {
  readonly track: FedTrack;
  /** Takes a packet of the publisher's; `atMs` never goes back. */
  push(packet: RtpPacket, atMs: number): void;
  /** The cursor behind the newest packet. */
  end(): number;
  /** The media's time at `now`, in ticks of its clock, as the newest packet tells; `undefined` before the first. */
  timestampAt(now: number): number | undefined;
}

/** What a lane works with. */
export interface LaneOptions {
  readonly track: FedTrack;
  readonly cache: StreamCache;
  /** Pictures come in another order than they are shown; told once. */
  readonly onBFrames: () => void;
}

/**
 * The largest RTP payload: with 12 bytes of header, SRTP's 10 to 16 and UDP and IPv6 it stays below 1,280, IPv6's least
 * MTU. Not less, since every packet has a price.
 */
export const payloadMax = 1_188;

/** Numbers kept free for packets that may still come. A larger gap is an outage: nobody waits for what was in it. */
const gapMax = 512;

/** Pictures before others that came earlier, in ticks: B-frames of 8 pictures at 10 a second go back no further. */
const reorderTicksMax = 90_000;

/** How often they have to do so: a clock that was set back once is no B-frame. */
const bFramesProof = 8;

/** A lane without packets. */
export function createLane({ track, cache, onBFrames }: LaneOptions): Lane {
  const codec = track.kind === "video" ? videoCodec(track.codec) : undefined;
  const recut = createRecutter(track.codec, payloadMax);
  const sets = codec === "H264" ? spropSets(track.fmtp) : [];
  const units: AccessUnitTracker | undefined = codec && createAccessUnitTracker(codec);
  /** Numbers of packets that are missing, and under which they go out when they come. */
  const reserved = new Map<number, number>();
  let highest: number | undefined;
  let nextOut = 1;
  let end = 0;
  let newest: { readonly timestamp: number; readonly atMs: number } | undefined;
  let shownTo: number | undefined;
  let backwards = 0;
  let setsSeenAt = -1;

  /** The number of the packet's first piece; `undefined` if there is no place for it. */
  function placeFor(sequence: number, pieces: number): number | undefined {
    const ahead = highest === undefined ? 1 : ((sequence - highest) << 16) >> 16;
    if (ahead <= 0) {
      const place = pieces === 1 ? reserved.get(sequence) : undefined;
      reserved.delete(sequence);
      return place;
    }
    highest = sequence;
    if (ahead > 1) {
      reserved.clear();
      for (let i = ahead - 1; i > 0 && ahead <= gapMax; i -= 1)
        reserved.set((sequence - i) & 0xffff, nextOut + ahead - 1 - i);
      nextOut += Math.min(ahead - 1, gapMax);
    }
    const place = nextOut;
    nextOut += pieces;
    return place;
  }

  function noteOrder(timestamp: number): void {
    const ahead = shownTo === undefined ? 1 : (timestamp - shownTo) | 0;
    if (ahead > 0 || ahead < -reorderTicksMax) shownTo = timestamp;
    else if (ahead < 0) {
      backwards += 1;
      if (backwards === bFramesProof) onBFrames();
    }
  }

  /** Parameter sets that only the SDP has, before a picture that needs them. */
  function missingSets({ payload, timestamp }: RtpPacket): RtpPayload[] {
    if (sets.length === 0) return [];
    const facts = inspectPayload("H264", payload);
    if (!facts.ok) return [];
    if (facts.value.parameterSets.length > 0) setsSeenAt = timestamp;
    if (!facts.value.keyFrame || setsSeenAt === timestamp) return [];
    setsSeenAt = timestamp;
    return packNalUnits(sets, h264NalUnits, payloadMax).map((bytes) => ({ bytes, marker: false }));
  }

  return {
    track,
    push(packet, atMs) {
      if (packet.payloadType !== track.payloadType || packet.payload.length === 0) return;
      const { sequenceNumber, timestamp } = packet;
      const position = units?.onPacket(packet);
      const cut = recut(packet.payload, packet.marker);
      if (cut.length === 0) return;
      const pieces = [...missingSets(packet), ...cut];
      const place = placeFor(sequenceNumber, pieces.length);
      if (place === undefined) return;
      if (position?.startsUnit === true) noteOrder(timestamp);
      for (const [i, { bytes, marker }] of pieces.entries()) {
        const fields = { payloadType: track.payloadType, marker, timestamp, ssrc: 0 };
        const rtp = encodeRtp({ ...fields, sequenceNumber: (place + i) & 0xffff }, bytes);
        cache.add(track.component, rtp, atMs, { isKeyStart: i === 0 && position?.keyFrame === true });
        end += 1;
      }
      newest = { timestamp, atMs };
    },
    end: () => end,
    timestampAt: (now) =>
      newest && (newest.timestamp + Math.round(((now - newest.atMs) * track.clockRate) / 1000)) >>> 0,
  };
}

/** NAL units of H.264's sprop-parameter-sets (RFC 6184 §8.1). */
function spropSets(fmtp: string | undefined): Uint8Array[] {
  const value = /sprop-parameter-sets=([A-Za-z0-9+/=,]+)/.exec(fmtp ?? "")?.[1];
  if (value === undefined) return [];
  return value
    .split(",")
    .map((set) => Uint8Array.from(Buffer.from(set, "base64")))
    .filter(({ length }) => length > 0);
}
