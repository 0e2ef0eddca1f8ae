import type { Arrival } from "./run-progress.ts";
import { sequenceDistance } from "./sequence-window.ts";

/** A packet that waits. */
export interface HeldPacket extends Arrival {
  readonly bytes: Uint8Array;
}

/**
 * From the proof of a new run to its first number: reordering may have put its first packets last. Not more, since a key
 * frame waits; not less, since paths reorder by up to ten milliseconds.
 */
const settleMs = 20;

/** After so long nothing will come of packets that did not fit. Not less: data may come every few seconds only. */
const staleMs = 10_000;

/** How long packets of another source are taken for a beginning, with nothing more of it. */
const earnestMs = 2_000;

/** Packets held at most: the longest silence that is waited for, at 10 Mbit/s. */
const heldMax = 2_048;

/** Another sequence than that of the packets around it is further away than this (MAX_DROPOUT, RFC 3550 A.1). */
const maxDropout = 3_000;

/** While a run is settling, what lies no further from its packets is one of them. */
const settlingPackets = 64;

/** Packets of one SSRC that may be the beginning of another run. */
export class FormingRun {
  readonly ssrc: number;
  /** How far the present run had come when the first of them came. */
  readonly advancesBefore: number;
  /** When it begins: `Infinity` until it has proven to be a run. */
  dueAt: number = Number.POSITIVE_INFINITY;
  /** In the order of arrival. */
  readonly held: HeldPacket[] = [];
  #isFollowed = false;

  constructor(ssrc: number, advancesBefore: number) {
    this.ssrc = ssrc;
    this.advancesBefore = advancesBefore;
  }

  /** True once nothing but time keeps it from beginning. */
  get isProven(): boolean {
    return this.dueAt < Number.POSITIVE_INFINITY;
  }

  /** Takes a packet; the same number again is left out. */
  hold(packet: HeldPacket): void {
    while (!this.isProven && this.held[0] !== undefined && packet.at - this.held[0].at > staleMs) this.held.shift();
    if (this.held.some(({ sequenceNumber }) => sequenceNumber === packet.sequenceNumber)) return;
    this.#isFollowed ||= this.held.some((other) => distanceOf(other, packet) === 1);
    this.held.push(packet);
    if (this.held.length > heldMax) this.held.shift();
  }

  /** Lets it begin soon if two of its packets follow on each other (RFC 3550 A.1); `mustWait` while another source lives. */
  judge(now: number, mustWait: boolean): void {
    if (this.#isFollowed && (!mustWait || this.held.length >= heldMax))
      this.dueAt = Math.min(this.dueAt, now + settleMs);
  }

  /** True if the packet follows on those held, or is followed by them. */
  includes(packet: Arrival): boolean {
    return this.held.some((other) => distanceOf(other, packet) <= settlingPackets);
  }

  /** Whether more of another source is to be expected. */
  isEarnest(now: number): boolean {
    return this.isProven || now - (this.held.at(-1)?.at ?? now) < earnestMs;
  }

  /** The packets of the run in its order. */
  packets(): HeldPacket[] {
    const newest = this.held.at(-1);
    return this.held
      .filter((packet) => newest !== undefined && distanceOf(packet, newest) <= maxDropout)
      .sort((a, b) => sequenceDistance(b.sequenceNumber, a.sequenceNumber));
  }
}

function distanceOf(a: Arrival, b: Arrival): number {
  return Math.abs(sequenceDistance(a.sequenceNumber, b.sequenceNumber));
}
