import { type Continuity, createContinuity } from "../../src/media/continuity.ts";
import { encodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import { readUint16, readUint32 } from "../../src/rtp/wire.ts";
import { packet } from "./support.ts";

/** What a player got. */
export interface Out {
  readonly component: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}

const rates: Readonly<Record<number, number>> = { 0: 90_000, 2: 48_000 };
/** The SSRC of the tests' sound. */
export const soundSsrc: number = 0x643c9869;

/** A continuity of two tracks, picture and sound, with everything that came of it; time stands still until `pass`. */
export interface ContinuityRig extends Continuity {
  readonly got: Out[];
  readonly restarts: string[];
  /** Numbers of what the players got on a component since the last look. */
  numbers(component?: number): number[];
  pass(ms: number): void;
  now(): number;
  /** A packet of picture: a frame of 40 ms each. */
  video(number: number, more?: { ssrc?: number; timestamp?: number; payloadType?: number }): Uint8Array;
  sound(number: number, more?: { ssrc?: number; timestamp?: number }): Uint8Array;
  rtcp(component: number, ...packets: RtcpPacket[]): void;
}

/** A rig at one second. */
export function createRig(): ContinuityRig {
  const got: Out[] = [];
  const restarts: string[] = [];
  let now = 1_000;
  const continuity = createContinuity({
    clockRateOf: (component) => rates[component],
    deliver: (component, bytes) => got.push({ component, bytes, at: now }),
    onRestart: (component, kind) => restarts.push(`${component} ${kind}`),
  });
  function push(component: number, bytes: Uint8Array): Uint8Array {
    continuity.push(component, bytes, now);
    return bytes;
  }
  let seen = 0;
  return {
    ...continuity,
    ...{ got, restarts },
    now: () => now,
    numbers: (component = 0) => {
      const fresh = got.slice(seen).filter((out) => out.component === component);
      seen = got.length;
      return fresh.map(({ bytes }) => readUint16(bytes, 2));
    },
    pass(ms) {
      for (const end = now + ms; ; ) {
        const at = continuity.wakeAt();
        if (at > end) {
          now = end;
          return;
        }
        now = Math.max(now, at);
        continuity.release(now);
      }
    },
    video: (number, more = {}) => push(0, packet(number, { ...more })),
    sound: (number, more = {}) =>
      push(2, packet(number, { ssrc: soundSsrc, timestamp: number * 1920, payloadType: 97, ...more })),
    rtcp: (component, ...packets) => void push(component, encodeRtcp(packets)),
  };
}

/** Plays forty milliseconds of both tracks for each number. */
export function play(by: ContinuityRig, from: number, to: number): void {
  for (let number = from; number <= to; number += 1) {
    by.video(number);
    by.sound(number);
    by.pass(40);
  }
}

/** A packet's timestamp as a player sees it. */
export const timestampOf = ({ bytes }: Out): number => readUint32(bytes, 4);

/** What the players got on a component. */
export const outOf = (by: ContinuityRig, component: number): Out[] =>
  by.got.filter((out) => out.component === component);
