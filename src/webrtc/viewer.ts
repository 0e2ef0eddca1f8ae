import { type Clock, scheduleEvery } from "../core/clock.ts";
import { type Random, randomUint32 } from "../core/random.ts";
import type { Feed } from "./feed.ts";
import type { ViewerFigures } from "./messages.ts";
import { createOutlet, type Outlet } from "./outlet.ts";
import { type AnswerOptions, openPeer, type Peer } from "./peer.ts";

/** A browser that watches. */
export interface Viewer {
  /** The feed's lane of this component has grown. */
  pump(component: number): void;
  figures(now: number): ViewerFigures;
  /** When anything last came from the browser, or when it was let in. */
  heardAt(): number;
  close(): void;
}

/** What a viewer is made of. */
export interface ViewerOptions extends AnswerOptions {
  readonly feed: Feed;
  readonly clock: Clock;
  readonly random: Random;
  readonly onConnected: () => void;
  readonly wantKeyFrame: (component: number) => void;
}

/** How often the past is shown on: fine enough that the packets of two frames do not become one burst. */
const stepMs = 5;

/** How often reports are sent: browsers set picture and sound together with the second one. */
const reportMs = 1_000;

/** Connects one. */
export function openViewer(options: ViewerOptions): Viewer {
  const { media, feed, clock, random } = options;
  const cname = Buffer.from(random.bytes(12)).toString("base64");
  const ssrcs = new Map(media.map(({ mid }) => [mid, randomUint32(random)]));
  const outlets = new Map<number, Outlet>();
  let stopStep: (() => void) | undefined;
  let isConnected = false;
  let heardAt = clock.now();

  function step(): void {
    stopStep = undefined;
    const now = clock.now();
    for (const outlet of outlets.values()) outlet.pump(now);
    if ([...outlets.values()].some((outlet) => outlet.isCatchingUp())) stopStep = clock.schedule(stepMs, step);
  }

  /** What is catching up is driven by the clock, the rest by what comes. */
  function drive(): void {
    stopStep ??= clock.schedule(0, step);
  }

  const peer: Peer = openPeer({
    ...options,
    direction: "SendOnly",
    cname,
    ssrcOf: (mid) => ssrcs.get(mid) ?? 0,
    onOpen(mid, track) {
      const answered = media.find((each) => each.mid === mid);
      const lane = feed.lanes.get(answered?.component ?? -1);
      if (answered === undefined || lane === undefined) return;
      const { component } = answered;
      outlets.set(
        component,
        createOutlet({
          ...{ lane, cname, cache: feed.cache },
          payloadType: answered.format.payloadType,
          ssrc: ssrcs.get(mid) ?? 0,
          firstSequenceNumber: randomUint32(random) & 0x7fff,
          timestampOffset: randomUint32(random),
          send: (bytes) => {
            const { buffer, byteOffset, length } = bytes;
            return track.isOpen() && track.sendMessageBinary(Buffer.from(buffer, byteOffset, length));
          },
          wantKeyFrame: () => options.wantKeyFrame(component),
        }),
      );
      if (!isConnected) options.onConnected();
      isConnected = true;
      drive();
    },
    onMessage(mid, bytes) {
      heardAt = clock.now();
      const component = media.find((each) => each.mid === mid)?.component ?? -1;
      const outlet = outlets.get(component);
      outlet?.onRtcp(bytes, clock.now());
      if (outlet?.isCatchingUp() === true) drive();
    },
  });

  const stopReports = scheduleEvery(clock, reportMs, () => {
    const now = clock.now();
    for (const [component, outlet] of outlets) {
      const instant = feed.instant(component, now);
      if (instant !== undefined) outlet.report(instant.wallMs, instant.timestamp, now);
    }
  });

  return {
    pump: (component) => outlets.get(component)?.pump(clock.now()),
    heardAt: () => heardAt,
    figures(now) {
      const path = peer.path();
      const legs = Array.from(outlets.values(), (outlet) => outlet.figures(now));
      return { session: options.session, silentMs: Math.round(now - heardAt), legs, ...(path && { path }) };
    },
    close() {
      stopStep?.();
      stopReports();
      peer.close();
    },
  };
}
