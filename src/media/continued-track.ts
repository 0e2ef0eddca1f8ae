import { staticPayloadType } from "../rtp/static-payload-types.ts";
import { readUint16, readUint32 } from "../rtp/wire.ts";
import type { RestartClock } from "./restart-clock.ts";
import { firstRun, type Run, renumber } from "./run.ts";
import { type Arrival, RunProgress } from "./run-progress.ts";
import { sequenceDistance } from "./sequence-window.ts";

/** How a publisher began anew: with the SSRC it had, or with another. */
export type RestartKind = "same-ssrc" | "new-ssrc";

/** What a track works with. */
export interface ContinuedTrackOptions {
  /** The component of its RTP. */
  readonly component: number;
  /** Clock rate in Hz of a payload type. Default: RFC 3551's, else estimated. */
  readonly clockRateOf: (payloadType: number) => number | undefined;
  readonly restartClock: RestartClock;
  /** The shift of timestamps that the sender reports of this source ask for, given the restart's NTP shift in seconds. */
  readonly shiftByReports: (ssrc: number, ntpSeconds: number) => number | undefined;
  /** Takes a packet for the players. */
  readonly deliver: (bytes: Uint8Array) => void;
  /** Another run has begun; none of its packets has been delivered yet. */
  readonly onRun: (kind: RestartKind | undefined, now: number) => void;
}

/** The RTP of one track, made to look like one run. */
export interface ContinuedTrack {
  /** Takes an RTP packet, which belongs to the track from then on. */
  push(bytes: Uint8Array, now: number): void;
  /** The present run, `undefined` before the first packet. */
  run(): Run | undefined;
  /** How far it has come. */
  progress(): RunProgress | undefined;
  /** Whether this SSRC is another source beside the track: repair, error correction. */
  isCompanion(ssrc: number): boolean;
  /** The publisher has said goodbye: the next source need not wait. */
  onBye(): void;
  release(now: number): void;
  wakeAt(): number;
}

interface Held extends Arrival {
  readonly bytes: Uint8Array;
}

/** Packets that may be the beginning of another run. */
interface Forming {
  readonly ssrc: number;
  /** In the order of arrival. */
  readonly held: Held[];
  /** How far the present run had come when the first of them came. */
  readonly advances: number;
  /** Two of them follow on each other. */
  isFollowed: boolean;
  /** When it begins, `Infinity` until it has proven to be a run. */
  dueAt: number;
}

/**
 * From the proof of a new run to its first number: reordering may have put its first packets last. Not more, since a key
 * frame waits; not less, since paths reorder by up to ten milliseconds.
 */
const settleMs = 20;

/** How long packets of the old run still come, in answer to requests: a relay keeps a second. */
const lateMs = 2_000;

/** Packets that did not fit, and nothing came of them. */
const staleMs = 10_000;

/** Held for the longest silence that is waited for, at 10 Mbit/s. */
const heldMax = 2_048;

/** Proof that the present run goes on beside another source: one packet might only have been overtaken. */
const aliveAdvances = 2;

/** A companion becomes the track's source if that has been still for a second: less is an ordinary pause. */
const companionSilentMs = 1_000;
const companionsMax = 8;

/** While a run is settling, what lies no further from its first packets is one of them. */
const settlingPackets = 64;

/** Another sequence than that of the packets around it is further away than this (MAX_DROPOUT, RFC 3550 A.1). */
const maxDropout = 3_000;

/** A track without packets. */
export function createContinuedTrack(options: ContinuedTrackOptions): ContinuedTrack {
  const { component, restartClock, deliver, onRun } = options;
  const knownRate = (payloadType: number): number | undefined =>
    options.clockRateOf(payloadType) ?? staticPayloadType(payloadType)?.clockRate;
  const companions = new Set<number>();
  let present: { readonly run: Run; readonly progress: RunProgress } | undefined;
  let previous: typeof present;
  let forming: Forming | undefined;
  let saidBye = false;

  /** A packet of the track's own source. */
  function pushOwn(packet: Held, { run, progress }: NonNullable<typeof present>): void {
    if (previous !== undefined && previous.run.ssrc === run.ssrc && packet.at - run.beganAt < lateMs) {
      const distance = previous.progress.lateDistance(packet, progress);
      // What lies after the old run's end has no number left: the new run has begun there.
      if (distance !== undefined && distance <= 0) deliver(renumber(previous.run, packet.bytes));
      if (distance !== undefined) return;
    }
    if (forming?.ssrc === run.ssrc && forming.dueAt < Number.POSITIVE_INFINITY) {
      const isNew = forming.held.some((other) => Math.abs(distanceOf(other, packet)) <= settlingPackets);
      if (isNew || (progress.fits(packet.sequenceNumber, packet.timestamp) ?? 1) > 0) hold(packet, forming);
      else deliver(renumber(run, packet.bytes));
      return;
    }
    const placement = progress.place(packet);
    if (placement === "stray" || placement === "restart") doubt(packet, progress, placement === "restart");
    else deliver(renumber(run, packet.bytes));
    if (placement !== "ahead") return;
    saidBye = false;
    const isBeside = forming !== undefined && forming.ssrc !== run.ssrc;
    if (isBeside && progress.advances - (forming?.advances ?? 0) >= aliveAdvances) leaveAlone();
  }

  /** A packet of another source than the track's. */
  function pushOther(packet: Held, { run, progress }: NonNullable<typeof present>): void {
    const { ssrc, at } = packet;
    if (previous?.run.ssrc === ssrc) {
      const distance = previous.progress.fits(packet.sequenceNumber, packet.timestamp);
      if (distance !== undefined && distance <= 0) deliver(renumber(previous.run, packet.bytes));
      if (distance !== undefined || at - run.beganAt < lateMs) return;
    }
    const isSilent = saidBye || progress.isSilent(at, companions.has(ssrc) ? companionSilentMs : undefined);
    const isAlike = packet.payloadType === progress.top.payloadType;
    const isTaken = forming !== undefined && forming.ssrc !== ssrc && isEarnest(forming, run, at);
    if (companions.has(ssrc) ? !(isSilent && isAlike) : isTaken || (!isAlike && !isSilent)) {
      pass(packet);
      return;
    }
    companions.delete(ssrc);
    doubt(packet, progress, false, !isSilent);
  }

  /** Holds a packet that may begin another run; two that follow on each other prove it (RFC 3550 A.1). */
  function doubt(packet: Held, { advances }: RunProgress, isProven: boolean, mustWait = false): void {
    if (forming?.ssrc !== packet.ssrc) {
      if (forming !== undefined && present !== undefined && isEarnest(forming, present.run, packet.at)) return;
      leaveAlone();
      forming = { ssrc: packet.ssrc, held: [], advances, isFollowed: false, dueAt: Number.POSITIVE_INFINITY };
    }
    const { held } = forming;
    while (held[0] !== undefined && packet.at - held[0].at > staleMs) held.shift();
    forming.isFollowed ||= isProven || held.some((other) => Math.abs(distanceOf(other, packet)) === 1);
    hold(packet, forming);
    if (forming.isFollowed && (!mustWait || held.length >= heldMax)) {
      forming.dueAt = Math.min(forming.dueAt, packet.at + settleMs);
    }
  }

  function hold(packet: Held, { held }: Forming): void {
    if (held.some(({ sequenceNumber }) => sequenceNumber === packet.sequenceNumber)) return;
    held.push(packet);
    if (held.length > heldMax) held.shift();
  }

  /** What was held is another source beside the track, or nothing at all. */
  function leaveAlone(): void {
    const left = forming;
    forming = undefined;
    if (left === undefined || left.ssrc === present?.run.ssrc) return;
    companions.add(left.ssrc);
    if (companions.size > companionsMax) companions.delete(companions.values().next().value ?? 0);
    for (const packet of left.held) pass(packet);
  }

  /** Hands on a packet of another source as it is, unless players would take it for one of the track's. */
  function pass({ ssrc, bytes }: Held): void {
    if (ssrc !== present?.run.publicSsrc) deliver(bytes);
  }

  function begin({ ssrc, held }: Forming, old: NonNullable<typeof present>): void {
    const newest = held.at(-1);
    if (newest === undefined) return;
    const packets = held.filter((packet) => isNear(packet, newest)).sort((a, b) => distanceOf(b, a));
    const first = packets[0] ?? newest;
    const kind = ssrc === old.run.ssrc ? "same-ssrc" : "new-ssrc";
    // An outage on the way: the publisher itself has gone on.
    const goesOn = kind === "same-ssrc" && old.progress.continuesAt(first);
    const run = goesOn ? afterOutage(first, old) : afterRestart(first, old);
    const progress = new RunProgress(first, knownRate);
    for (const packet of packets.slice(1)) progress.place(packet);
    previous = old;
    present = { run, progress };
    saidBye = false;
    companions.delete(ssrc);
    onRun(goesOn ? undefined : kind, first.at);
    for (const { bytes } of packets) deliver(renumber(run, bytes));
  }

  function afterOutage(first: Held, { run, progress }: NonNullable<typeof present>): Run {
    if (distanceOf(progress.top, first) > 0) return run;
    // Half the numbers are missing, or more: players would take the rest for old ones.
    return { ...run, ...nextNumbers(first, run, progress) };
  }

  function afterRestart(first: Held, { run, progress }: NonNullable<typeof present>): Run {
    const { ssrc, timestamp, at } = first;
    const clockRate = progress.clockRate();
    const { restart, shift } = restartClock.begin({
      ...{ component, timestamp, at, clockRate },
      expected: progress.expectedAt(at) + run.timestampShift,
      least: progress.end + run.timestampShift,
      shiftByReports: (ntpSeconds) => options.shiftByReports(ssrc, ntpSeconds),
    });
    const numbers = nextNumbers(first, run, progress);
    return { ...numbers, ssrc, publicSsrc: run.publicSsrc, timestampShift: shift, beganAt: at, restart };
  }

  function release(now: number): void {
    if (forming === undefined || present === undefined || now < forming.dueAt) return;
    const ready = forming;
    forming = undefined;
    begin(ready, present);
  }

  return {
    push(bytes, now) {
      release(now);
      const packet = readArrival(bytes, now);
      const { ssrc, sequenceNumber } = packet;
      // Until two packets of a source have followed on each other, the next one has as good a claim.
      const isOpen = previous === undefined && present?.progress.advances === 0 && present.run.ssrc !== ssrc;
      if (present === undefined || isOpen) {
        present = { run: firstRun(ssrc, sequenceNumber, now), progress: new RunProgress(packet, knownRate) };
        deliver(bytes);
      } else if (ssrc === present.run.ssrc) pushOwn(packet, present);
      else pushOther(packet, present);
    },
    run: () => present?.run,
    progress: () => present?.progress,
    isCompanion: (ssrc) => companions.has(ssrc),
    onBye() {
      saidBye = true;
    },
    release,
    wakeAt: () => forming?.dueAt ?? Number.POSITIVE_INFINITY,
  };
}

function nextNumbers(first: Held, run: Run, { top }: RunProgress): Pick<Run, "sequenceShift" | "firstSequenceNumber"> {
  const firstSequenceNumber = (top.sequenceNumber + run.sequenceShift + 1) & 0xffff;
  return { sequenceShift: (firstSequenceNumber - first.sequenceNumber) & 0xffff, firstSequenceNumber };
}

function isNear(a: Arrival, b: Arrival): boolean {
  return Math.abs(distanceOf(a, b)) <= maxDropout;
}

function distanceOf(from: Arrival, to: Arrival): number {
  return sequenceDistance(from.sequenceNumber, to.sequenceNumber);
}

/** Whether what was held of another source, or has been proven of the same one, may still become a run. */
function isEarnest({ ssrc, held, dueAt }: Forming, run: Run, now: number): boolean {
  if (dueAt < Number.POSITIVE_INFINITY) return true;
  return ssrc !== run.ssrc && now - (held.at(-1)?.at ?? now) < lateMs;
}

function readArrival(bytes: Uint8Array, at: number): Held {
  const payloadType = (bytes[1] ?? 0) & 0x7f;
  return {
    ...{
      ssrc: readUint32(bytes, 8),
      payloadType,
      sequenceNumber: readUint16(bytes, 2),
      timestamp: readUint32(bytes, 4),
    },
    ...{ at, bytes },
  };
}
