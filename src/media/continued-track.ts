import { staticPayloadType } from "../rtp/static-payload-types.ts";
import { readUint16, readUint32 } from "../rtp/wire.ts";
import { FormingRun, type HeldPacket } from "./forming-run.ts";
import type { RestartClock } from "./restart-clock.ts";
import { firstRun, type Run, renumber } from "./run.ts";
import { RunProgress } from "./run-progress.ts";
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

/** A run and how far it has come. */
interface Stage {
  readonly run: Run;
  readonly progress: RunProgress;
}

/** How long packets of the old run still come, in answer to requests: a relay keeps a second. */
const lateMs = 2_000;

/** Proof that the present run goes on beside another source: one packet might only have been overtaken. */
const aliveAdvances = 2;

/** A companion becomes the track's source if that has been still for a second: less is an ordinary pause. */
const companionSilentMs = 1_000;
const companionsMax = 8;

/** A track without packets. */
export function createContinuedTrack(options: ContinuedTrackOptions): ContinuedTrack {
  const { component, restartClock, deliver, onRun } = options;
  const knownRate = (payloadType: number): number | undefined =>
    options.clockRateOf(payloadType) ?? staticPayloadType(payloadType)?.clockRate;
  const companions = new Set<number>();
  let present: Stage | undefined;
  let previous: Stage | undefined;
  let forming: FormingRun | undefined;
  let saidBye = false;

  /** A packet of the track's own source. */
  function pushOwn(packet: HeldPacket, { run, progress }: Stage): void {
    if (previous !== undefined && previous.run.ssrc === run.ssrc && packet.at - run.beganAt < lateMs) {
      const distance = previous.progress.lateDistance(packet, progress);
      // What lies after the old run's end has no number left: the new run has begun there.
      if (distance !== undefined && distance <= 0) deliver(renumber(previous.run, packet.bytes));
      if (distance !== undefined) return;
    }
    if (forming?.ssrc === run.ssrc && forming.isProven) {
      const isOld = (progress.fits(packet.sequenceNumber, packet.timestamp) ?? 1) <= 0;
      if (isOld && !forming.includes(packet)) deliver(renumber(run, packet.bytes));
      else forming.hold(packet);
      return;
    }
    const placement = progress.place(packet);
    if (placement === "stray" || placement === "restart") doubt(packet, progress, false);
    else deliver(renumber(run, packet.bytes));
    if (placement !== "ahead") return;
    saidBye = false;
    const isBeside = forming !== undefined && forming.ssrc !== run.ssrc;
    if (isBeside && progress.advances - (forming?.advancesBefore ?? 0) >= aliveAdvances) leaveAlone();
  }

  /** A packet of another source than the track's. */
  function pushOther(packet: HeldPacket, { run, progress }: Stage): void {
    const { ssrc, at } = packet;
    if (previous?.run.ssrc === ssrc) {
      const distance = previous.progress.fits(packet.sequenceNumber, packet.timestamp);
      if (distance !== undefined && distance <= 0) deliver(renumber(previous.run, packet.bytes));
      if (distance !== undefined || at - run.beganAt < lateMs) return;
    }
    const isSilent = saidBye || progress.isSilent(at, companions.has(ssrc) ? companionSilentMs : undefined);
    const isAlike = packet.payloadType === progress.top.payloadType;
    const isTaken = forming !== undefined && forming.ssrc !== ssrc && mayBegin(forming, run, at);
    if (companions.has(ssrc) ? !(isSilent && isAlike) : isTaken || (!isAlike && !isSilent)) {
      pass(packet);
      return;
    }
    companions.delete(ssrc);
    doubt(packet, progress, !isSilent);
  }

  /** Holds a packet that may begin another run; `mustWait` while the present one may go on. */
  function doubt(packet: HeldPacket, { advances }: RunProgress, mustWait: boolean): void {
    if (forming?.ssrc !== packet.ssrc) {
      if (forming !== undefined && present !== undefined && mayBegin(forming, present.run, packet.at)) return;
      leaveAlone();
      forming = new FormingRun(packet.ssrc, advances);
    }
    forming.hold(packet);
    forming.judge(packet.at, mustWait);
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
  function pass({ ssrc, bytes }: HeldPacket): void {
    if (ssrc !== present?.run.publicSsrc) deliver(bytes);
  }

  function begin(ready: FormingRun, old: Stage): void {
    const { ssrc } = ready;
    const packets = ready.packets();
    const [first] = packets;
    if (first === undefined) return;
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

  function afterOutage(first: HeldPacket, { run, progress }: Stage): Run {
    if (sequenceDistance(progress.top.sequenceNumber, first.sequenceNumber) > 0) return run;
    // Half the numbers are missing, or more: players would take the rest for old ones.
    return { ...run, ...nextNumbers(first, run, progress) };
  }

  function afterRestart(first: HeldPacket, { run, progress }: Stage): Run {
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
      const { ssrc, sequenceNumber, timestamp } = packet;
      // Until two packets of a source have followed on each other, the next one has as good a claim.
      const isOpen = previous === undefined && present?.progress.advances === 0 && present.run.ssrc !== ssrc;
      if (present === undefined || isOpen) {
        const run = firstRun(ssrc, sequenceNumber, timestamp, now);
        present = { run, progress: new RunProgress(packet, knownRate) };
        deliver(renumber(run, bytes));
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

function nextNumbers(
  first: HeldPacket,
  run: Run,
  { top }: RunProgress,
): Pick<Run, "sequenceShift" | "firstSequenceNumber"> {
  const firstSequenceNumber = (top.sequenceNumber + run.sequenceShift + 1) & 0xffff;
  return { sequenceShift: (firstSequenceNumber - first.sequenceNumber) & 0xffff, firstSequenceNumber };
}

/** Whether what was held of another source, or has been proven of the same one, may still become a run. */
function mayBegin(forming: FormingRun, run: Run, now: number): boolean {
  return forming.isProven || (forming.ssrc !== run.ssrc && forming.isEarnest(now));
}

function readArrival(bytes: Uint8Array, at: number): HeldPacket {
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
