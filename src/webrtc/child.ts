/*
 * The process that speaks WebRTC. The library is native code that can crash: here it costs browsers a reconnect, and nobody
 * else a packet. Started by supervisor.ts, with a pipe as file descriptor 3; it ends when the pipe does.
 */
import { Socket } from "node:net";
import { scheduleEvery, systemClock } from "../core/clock.ts";
import { systemRandom } from "../core/random.ts";
import { withPublicCandidates } from "./answer.ts";
import { createFeed, type Feed } from "./feed.ts";
import { createFrameReader, encodeFrame } from "./frames.ts";
import type { FromChild, ToChild } from "./messages.ts";
import { guard, type Library } from "./peer.ts";
import { openPublisher, type Publisher } from "./publisher.ts";
import { openViewer, type Viewer } from "./viewer.ts";

/** How often what waits for proof of a restart is looked at: it waits for 20 ms. */
const releaseMs = 20;

const pipe = new Socket({ fd: 3, readable: true, writable: true });
const feeds = new Map<number, { readonly feed: Feed; readonly viewers: Map<string, Viewer> }>();
const sessions = new Map<string, Viewer | Publisher>();
/** RFC 7675 §5.1: who has not been heard for so long has not consented, and is gone, connected or not. */
const silenceMs = 30_000;

/** How often the relay is told how viewers fare. */
const figuresMs = 1_000;

/** Publishers that the relay has not let in yet. */
const arriving = new Map<string, AbortController>();
let library: Library | undefined;
let place: ToChild & { readonly type: "start" } = { type: "start", port: 0, publicAddresses: [] };

function tell(message: FromChild): void {
  pipe.write(encodeFrame({ kind: "message", text: JSON.stringify(message) }));
}

function end(session: string): void {
  arriving.get(session)?.abort(new Error("It was given up."));
  const known = sessions.get(session);
  if (known === undefined) return;
  sessions.delete(session);
  for (const { viewers } of feeds.values()) viewers.delete(session);
  known.close();
  tell({ type: "closed", session });
}

function refuse(session: string, message: string): void {
  tell({ type: "refused", session, message });
  end(session);
}

async function start(message: ToChild & { readonly type: "start" }): Promise<void> {
  place = message;
  try {
    library = await import("node-datachannel");
    tell({ type: "ready" });
  } catch (error) {
    tell({ type: "failed", message: messageOf(error).split("\n")[0] ?? "" });
  }
}

function openFeed({ feed: number, tracks }: ToChild & { readonly type: "feed" }): void {
  const viewers = new Map<string, Viewer>();
  const feed = createFeed({
    tracks,
    wallNow: systemClock.wallNow,
    onGrown: (component) => {
      for (const viewer of viewers.values()) viewer.pump(component);
    },
    onBFrames: (component) => tell({ type: "b-frames", feed: number, component }),
  });
  feeds.set(number, { feed, viewers });
}

function endFeed(number: number): void {
  const known = feeds.get(number);
  feeds.delete(number);
  for (const session of [...(known?.viewers.keys() ?? [])]) end(session);
}

function openSession(message: ToChild & { readonly type: "view" | "publish" }): void {
  const { session, offer, media } = message;
  if (library === undefined) return;
  const { port, bindAddress, publicAddresses } = place;
  const common = {
    ...{ library, port, bindAddress, session, offer, media, clock: systemClock, random: systemRandom },
    onAnswer: (sdp: string): void =>
      tell({ type: "answer", session, sdp: withPublicCandidates(sdp, { addresses: publicAddresses, port }) }),
    onConnected: (): void => tell({ type: "connected", session }),
    onClosed: (): void => end(session),
  };
  if (message.type === "publish") {
    const { relay, stream, key } = message;
    const onDescribed = (sdp: string): void => tell({ type: "described", session, sdp });
    const onRefused = (why: string): void => refuse(session, why);
    const controller = new AbortController();
    arriving.set(session, controller);
    openPublisher({ ...common, relay, stream, key, onDescribed, onRefused, signal: controller.signal })
      .then(
        (publisher) => void sessions.set(session, publisher),
        (error: unknown) => refuse(session, messageOf(error)),
      )
      .finally(() => arriving.delete(session));
    return;
  }
  const found = feeds.get(message.feed);
  if (found === undefined) return;
  const { feed, viewers } = found;
  const wantKeyFrame = (component: number): void => tell({ type: "want-key-frame", feed: message.feed, component });
  try {
    const viewer = openViewer({ ...common, feed, wantKeyFrame });
    viewers.set(session, viewer);
    sessions.set(session, viewer);
  } catch (error) {
    refuse(session, messageOf(error));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function obey(message: ToChild): void {
  switch (message.type) {
    case "start":
      void start(message);
      break;
    case "feed":
      openFeed(message);
      break;
    case "end-feed":
      endFeed(message.feed);
      break;
    case "view":
    case "publish":
      openSession(message);
      break;
    case "close":
      end(message.session);
      break;
  }
}

pipe.on(
  "data",
  createFrameReader((frame) => {
    if (frame.kind === "message") obey(JSON.parse(frame.text));
    else
      guard(() =>
        feeds.get(frame.feed)?.feed.push(frame.component, frame.bytes.slice(), systemClock.now() - frame.ageMs),
      );
  }),
);
const stopReleasing = scheduleEvery(systemClock, releaseMs, () => {
  const now = systemClock.now();
  for (const { feed } of feeds.values()) feed.release(now);
});
const stopFigures = scheduleEvery(systemClock, figuresMs, () => {
  const now = systemClock.now();
  for (const [session, { heardAt }] of [...sessions]) if (now - heardAt() > silenceMs) end(session);
  const viewers = [...feeds.values()].flatMap((feed) =>
    [...feed.viewers.values()].map((viewer) => viewer.figures(now)),
  );
  tell({ type: "figures", viewers });
});

function stop(): void {
  stopReleasing();
  stopFigures();
  for (const session of [...sessions.keys()]) guard(() => sessions.get(session)?.close());
  // Its threads would outlive the event loop, and its own cleaning up can crash.
  process.exit(0);
}
pipe.on("end", stop);
pipe.on("error", stop);
// The relay ends this process through the pipe; a terminal's Ctrl-C reaches both at once.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
