import { classifyDatagram } from "../rtp/demux.ts";
import { readUint16, readUint32 } from "../rtp/wire.ts";
import { createPacketRing, type RingPacket } from "./packet-ring.ts";

/** A packet of the cache. */
export interface CachedPacket extends RingPacket {
  /** Where to read on. */
  readonly next: number;
}

/** What a newcomer of a stream needs: all packets since the last key frame, of all components, bounded in bytes and time. */
export interface StreamCache {
  /**
   * Takes one packet of a component as it arrived; `atMs` never goes back. `isKeyStart`: the packet belongs to an access
   * unit that begins a decodable sequence. Parameter sets in front of it, with the same RTP timestamp, are found without.
   * Returns its number among the component's.
   */
  add(component: number, bytes: Uint8Array, atMs: number, mark: { readonly isKeyStart: boolean }): number;
  /** A component's packet of this number; `undefined` if it has left. */
  get(component: number, id: number): RingPacket | undefined;
  /**
   * The component's packet at the cursor, or the oldest one after it that is still there; `undefined`: all has been read.
   * Cursors count a component's packets, so a reader goes on at `next` while packets are being added.
   */
  read(component: number, cursor: number): CachedPacket | undefined;
  /** Looks at all that is kept of a component once more: only now can its key frames be told. */
  revise(component: number, isKeyStart: (bytes: Uint8Array, atMs: number) => boolean): void;
  /**
   * Where a newcomer begins; `undefined` if nothing can be decoded yet. Ask for all components at one time. Video begins
   * at its newest key frame; the rest at what arrived since the last of the videos began, or 0.5 s ago if there is no
   * video; a component of RTCP alone with its last compound packet.
   */
  start(component: number): number | undefined;
  /** Forgets all packets, and frees the memory. */
  clear(): void;
}

/** Bounds of a cache, and what is known of the stream. */
export interface KeyFrameCacheOptions {
  /** Default 16 MiB: 15 s at 9 Mbit/s. A stream with more between two key frames has no start for newcomers. */
  readonly maxBytes?: number;
  /** Default 15,000: senders that care for newcomers have a key frame every 10 s at the latest. */
  readonly maxMs?: number;
  /** What no newcomer needs stays for so long all the same, within `maxBytes`, for others who ask for it. Default 0. */
  readonly keptMs?: number;
  /**
   * Whether a component is known to have key frames, before the first one came. Default: learned from `isKeyStart`, and
   * until then a video passes for sound.
   */
  readonly hasKeyFrames?: (component: number) => boolean;
}

/** What a newcomer gets of a stream without video: enough to fill a player's buffer, too little to be heard as a delay. */
const soundMs = 500;

/**
 * What is kept of a stream without video. Not less, since a video is one only once its codec has been recognised, and its
 * first key frame lies before that; not more, since it is of no use for sound.
 */
const soundKeptMs = 4 * soundMs;

/** A packet at most this many behind the newest is late; one further behind is a sender that started again. */
const lateMax = 100;

/** Of one component. */
interface Track {
  /** The RTP timestamp of the newest access unit, the newest sequence number, and where the unit begins. */
  timestamp: number;
  sequence: number;
  unitStart: number;
  /** Where the newest decodable sequence begins, and the one before it. */
  keyStart: number | undefined;
  previousKeyStart: number | undefined;
  /** The last packet, as long as only RTCP has come. */
  report: RingPacket | undefined;
  reports: number;
}

/**
 * An empty cache. One piece of memory that grows as needed, no buffer a packet. Of two decodable sequences the older one
 * stays until there is a third, for those who are still reading it. When a bound is reached without a new key frame the
 * oldest packets leave, and there is no start until the next key frame: a remainder without a head is of no use.
 */
export function createKeyFrameCache(options: KeyFrameCacheOptions = {}): StreamCache {
  const { maxBytes = 16 << 20, maxMs = 15_000, keptMs = 0, hasKeyFrames = () => false } = options;
  const ring = createPacketRing(maxBytes);
  const tracks = new Map<number, Track>();
  const videos = new Set<number>();
  let newestMs = 0;

  function trackOf(component: number): Track {
    let track = tracks.get(component);
    if (track === undefined) {
      const nothing = { keyStart: undefined, previousKeyStart: undefined, report: undefined, reports: 0 };
      track = { timestamp: -1, sequence: 0, unitStart: 0, ...nothing };
      tracks.set(component, track);
      if (hasKeyFrames(component)) videos.add(component);
    }
    return track;
  }

  const isEmpty = (component: number): boolean => ring.next(component) === ring.first(component);

  /** Drops what lies before the older starts of all videos. */
  function dropOldSequences(): void {
    let oldest: { readonly component: number; readonly id: number; readonly atMs: number } | undefined;
    for (const component of videos) {
      if (isEmpty(component)) continue;
      const id = tracks.get(component)?.previousKeyStart;
      const packet = id === undefined ? undefined : ring.get(component, id);
      if (id === undefined || packet === undefined) return;
      if (oldest === undefined || packet.atMs < oldest.atMs) oldest = { component, id, atMs: packet.atMs };
    }
    if (oldest === undefined) return;
    if (keptMs > 0) ring.dropOlder(Math.min(oldest.atMs, newestMs - keptMs));
    else ring.dropBefore(oldest.component, oldest.id);
  }

  /** When the last of the videos began; `undefined` if one of them has no beginning here. */
  function videoStartMs(): number | undefined {
    let latest = Number.NEGATIVE_INFINITY;
    for (const component of videos) {
      if (isEmpty(component)) continue;
      const { keyStart } = trackOf(component);
      const packet = keyStart === undefined ? undefined : ring.get(component, keyStart);
      if (packet === undefined) return undefined;
      latest = Math.max(latest, packet.atMs);
    }
    return latest === Number.NEGATIVE_INFINITY ? undefined : latest;
  }

  return {
    add(component, bytes, atMs, { isKeyStart }) {
      newestMs = atMs;
      const track = trackOf(component);
      const kind = classifyDatagram(bytes);
      if (kind === "rtcp" && ring.next(component) === 0) {
        track.report = { bytes: bytes.slice(), atMs };
        track.reports += 1;
        return track.reports - 1;
      }
      track.report = undefined;
      if (isKeyStart) videos.add(component);
      ring.dropOlder(atMs - (videos.size > 0 ? maxMs : soundKeptMs));
      const id = ring.push(component, bytes, atMs);
      follow(track, bytes, id, isKeyStart);
      if (isKeyStart) dropOldSequences();
      return id;
    },

    get: ring.get,

    revise(component, isKeyStart) {
      const track = trackOf(component);
      Object.assign(track, { timestamp: -1, keyStart: undefined, previousKeyStart: undefined });
      for (let id = ring.first(component); id < ring.next(component); id += 1) {
        const packet = ring.get(component, id);
        if (packet === undefined) continue;
        const isKey = isKeyStart(packet.bytes, packet.atMs);
        if (isKey) videos.add(component);
        follow(track, packet.bytes, id, isKey);
      }
      dropOldSequences();
    },

    read(component, cursor) {
      const { report, reports } = trackOf(component);
      if (report !== undefined) return cursor < reports ? { ...report, next: reports } : undefined;
      const id = Math.max(cursor, ring.first(component));
      const packet = ring.get(component, id);
      return packet && { ...packet, next: id + 1 };
    },

    start(component) {
      const track = tracks.get(component);
      if (track === undefined) return undefined;
      if (track.report !== undefined) return track.reports - 1;
      const hasVideo = [...videos].some((video) => !isEmpty(video));
      const sinceMs = hasVideo ? videoStartMs() : newestMs - soundMs;
      if (sinceMs === undefined || isEmpty(component)) return undefined;
      return videos.has(component) ? track.keyStart : ring.firstSince(component, sinceMs);
    },

    clear() {
      ring.clear();
      for (const track of tracks.values()) {
        track.timestamp = -1;
        track.keyStart = undefined;
        track.previousKeyStart = undefined;
        track.report = undefined;
      }
    },
  };
}

/** Notes where the packet's unit begins, and that decoding can begin there. */
function follow(track: Track, bytes: Uint8Array, id: number, isKeyStart: boolean): void {
  const isOfUnit = classifyDatagram(bytes) === "rtp" ? followUnit(track, bytes, id) : followDatagram(track, id);
  if (!isKeyStart || !isOfUnit || track.keyStart === track.unitStart) return;
  track.previousKeyStart = track.keyStart;
  track.keyStart = track.unitStart;
}

/**
 * Keeps `unitStart` at the first packet of the newest access unit, as told by RTP's timestamp (RFC 3550 §5.1). False if
 * the packet belongs to an older one.
 */
function followUnit(track: Track, bytes: Uint8Array, id: number): boolean {
  const sequence = readUint16(bytes, 2);
  const timestamp = readUint32(bytes, 4);
  const behind = (track.sequence - sequence) & 0xffff;
  // The end of the unit before, overtaken by this one's beginning, must not cut this one in two.
  if (track.timestamp >= 0 && behind > 0 && behind <= lateMax) return timestamp === track.timestamp;
  track.sequence = sequence;
  if (timestamp !== track.timestamp) {
    track.timestamp = timestamp;
    track.unitStart = id;
  }
  return true;
}

/** What is not RTP has no timestamp to look for parameter sets by: each datagram stands for itself. */
function followDatagram(track: Track, id: number): boolean {
  track.unitStart = id;
  return true;
}
