import { randomBytes } from "node:crypto";
import { scheduleEvery } from "../core/clock.ts";
import { readSdp } from "../sdp/session.ts";
import { cleanOffer } from "./clean-offer.ts";
import type { FedTrack, FromChild } from "./messages.ts";
import { type AnsweredMedia, answerPublisher, answerViewer, type OfferRefusal } from "./negotiate.ts";
import { playable } from "./playable.ts";
import { createSessions, nameOf, type Session } from "./sessions.ts";
import { createSupervisor } from "./supervisor.ts";
import type { WebRtc, WebRtcAsker, WebRtcOptions, WebRtcRefusal, WebRtcSession } from "./web-rtc-types.ts";

/** How long the answer may take: gathering addresses takes milliseconds. */
const answerMs = 3_000;

/** How long a publisher's tracks are waited for: it takes seconds to be sure of a codec, and one may never begin. */
const settleMs = 5_000;

/** How often keys are looked at again: as often as viewers in STUN show theirs. */
const lookMs = 5_000;

/** How long a kicked session is remembered: its page asks within seconds, is told, and gives up. */
const kickedMs = 60_000;

interface OpenFeed {
  readonly stream: string;
  readonly number: number;
  /** Tells feeds of one stream apart whose tracks differ. */
  readonly key: string;
  stopListening: () => void;
  readonly bFrames: Set<number>;
}

/** Nothing is started until the first browser comes. */
export function createWebRtc(options: WebRtcOptions): WebRtc {
  const { source, clock, port, bindAddress, publicAddresses = [], warn } = options;
  const sessions = createSessions(options.limits);
  /** Until when each is remembered. */
  const kicked = new Map<string, number>();
  const feeds = new Map<string, OpenFeed>();
  const bFrames = new Map<string, ReadonlySet<number>>();
  let lastFeed = 0;
  let failure: string | undefined;

  const supervisor = createSupervisor({
    ...{ clock, ...(options.entry !== undefined && { entry: options.entry }) },
    start: () => ({ type: "start", port, publicAddresses, ...(bindAddress !== undefined && { bindAddress }) }),
    onMessage,
    onGone(why) {
      if (failure === undefined) warn(`Browsers were cut off and connect again by themselves: ${why}.`);
      for (const id of [...sessions.all.keys()]) sessions.remove(id)?.answered.reject(new Error(why));
      for (const feed of feeds.values()) feed.stopListening();
      feeds.clear();
    },
  });

  function onMessage(message: FromChild): void {
    switch (message.type) {
      case "answer":
        sessions.all.get(message.session)?.answered.resolve(message.sdp);
        break;
      case "refused":
        sessions.all.get(message.session)?.answered.reject(new Error(message.message));
        if (sessions.all.get(message.session)?.role === "publisher")
          warn(`A browser cannot publish: ${message.message}`);
        break;
      case "connected":
        sessions.connected(message.session, clock.now());
        break;
      case "figures":
        sessions.take(message.viewers);
        break;
      case "closed":
        forget(message.session);
        break;
      case "described":
        describe(message.session, message.sdp);
        break;
      case "want-key-frame": {
        const feed = feedOf(message.feed);
        if (feed !== undefined) source.wantKeyFrame(feed.stream, message.component);
        break;
      }
      case "b-frames": {
        const feed = feedOf(message.feed);
        if (feed !== undefined) bFrames.set(feed.stream, feed.bFrames.add(message.component));
        break;
      }
      case "failed":
        failure = `node-datachannel does not run here: ${message.message}`;
        warn(`Browsers cannot watch or publish, all else works: ${failure}.`);
        break;
      case "ready":
        break;
    }
  }

  const feedOf = (number: number): OpenFeed | undefined => [...feeds.values()].find((feed) => feed.number === number);

  function describe(id: string, sdp: string): void {
    const session = sessions.all.get(id);
    if (session === undefined) return;
    try {
      source.describe(session.stream, sdp);
    } catch (error) {
      warn(`What a browser publishes to '${session.stream}' cannot be described: ${error}`);
    }
  }

  function forget(id: string): void {
    const session = sessions.remove(id);
    if (session === undefined) return;
    session.answered.reject(new Error("it ended"));
    const isFeedUsed = [...sessions.all.values()].some(({ feed }) => feed === session.feed);
    if (session.feed === undefined || isFeedUsed) return;
    const feed = feedOf(session.feed);
    if (feed !== undefined) endFeed(feed);
  }

  function endFeed(feed: OpenFeed): void {
    feed.stopListening();
    feeds.delete(feed.stream);
    supervisor.tell({ type: "end-feed", feed: feed.number });
  }

  /** The stream's feed, begun anew if its tracks are others now. */
  function openFeed(stream: string, tracks: readonly FedTrack[]): OpenFeed {
    const key = JSON.stringify(tracks);
    const known = feeds.get(stream);
    if (known?.key === key) return known;
    if (known !== undefined) endFeed(known);
    lastFeed = (lastFeed + 1) & 0xffff;
    const feed: OpenFeed = { stream, number: lastFeed, key, stopListening: () => {}, bFrames: new Set() };
    feeds.set(stream, feed);
    bFrames.delete(stream);
    supervisor.tell({ type: "feed", feed: feed.number, tracks });
    feed.stopListening = source.listen(stream, (component, bytes, atMs) => {
      supervisor.packet(feed.number, component, bytes, clock.now() - atMs);
    });
    return feed;
  }

  async function whyNotReady(): Promise<WebRtcRefusal | undefined> {
    if (failure !== undefined) return { kind: "unavailable", message: failure };
    try {
      await supervisor.ready();
      return undefined;
    } catch (error) {
      return { kind: "unavailable", message: failure ?? messageOf(error) };
    }
  }

  function whyFull(stream: string, { source: address }: WebRtcAsker): WebRtcRefusal | undefined {
    const message = sessions.refusal(stream, address);
    return message === undefined ? undefined : { kind: "unavailable", message };
  }

  async function begin(
    wanted: Pick<Session, "stream" | "role" | "feed" | "asker">,
    tell: (id: string) => void,
  ): Promise<WebRtcSession | WebRtcRefusal> {
    const id = randomBytes(16).toString("hex");
    const { answered } = sessions.add({ id, ...wanted });
    const cancel = clock.schedule(answerMs, () => answered.reject(new Error("the answer took too long")));
    tell(id);
    try {
      return { id, answer: await answered.promise };
    } catch (error) {
      close(id);
      return { kind: "unavailable", message: messageOf(error) };
    } finally {
      cancel();
    }
  }

  function close(id: string): void {
    supervisor.tell({ type: "close", session: id });
    forget(id);
  }

  const stopLooking = scheduleEvery(clock, lookMs, () => {
    for (const { id, asker } of [...sessions.all.values()]) if (!asker.isGood()) close(id);
    for (const [id, until] of kicked) if (until <= clock.now()) kicked.delete(id);
    for (const stream of bFrames.keys()) if (source.componentsOf(stream) === undefined) bFrames.delete(stream);
  });

  const outlookOf = (stream: string): ReturnType<typeof playable> =>
    playable(source.sdp(stream), source.wire(stream)?.tracks ?? [], bFrames.get(stream));

  const isBad = (media: readonly AnsweredMedia[] | OfferRefusal): media is OfferRefusal => typeof media === "string";

  return {
    prepare: () => void supervisor.ready().catch(() => {}),

    status(stream) {
      const live = source.isLive(stream);
      if (failure !== undefined) return { live, tracks: [], message: `The relay cannot serve browsers: ${failure}.` };
      if (!source.isSeen) {
        const message =
          "The relay's kernel carries this stream unseen: start the relay with another --plane for browsers.";
        return { live, tracks: [], message };
      }
      if (!live) return { live, tracks: [], message: "Nobody sends yet." };
      return { live, tracks: outlookOf(stream).outlook };
    },

    async view(stream, text, asker) {
      const offer = cleanOffer(text);
      const wanted = readSdp(offer);
      if (!source.isLive(stream) || !source.isSeen) return { kind: "not-live" };
      const { tracks, outlook } = outlookOf(stream);
      const media = answerViewer(wanted, tracks);
      // Who asks again in a moment gets all tracks, who is let in now only those that are known.
      const isYoung = (source.wire(stream)?.liveMs ?? 0) < settleMs;
      if (isYoung && outlook.some(({ plays }) => plays === "not-yet")) return { kind: "not-playable", outlook };
      if (tracks.length === 0 || media === "no-common-codec") return { kind: "not-playable", outlook };
      if (isBad(media)) return { kind: "bad-offer", reason: media };
      const refusal = (await whyNotReady()) ?? whyFull(stream, asker);
      if (refusal !== undefined) return refusal;
      const feed = openFeed(stream, tracks);
      return begin({ stream, role: "viewer", feed: feed.number, asker }, (session) =>
        supervisor.tell({ type: "view", session, feed: feed.number, offer, media }),
      );
    },

    async publish(stream, text, asker) {
      const offer = cleanOffer(text);
      const media = answerPublisher(readSdp(offer), source.componentsOf(stream) ?? 0);
      if (isBad(media)) return { kind: "bad-offer", reason: media };
      const key = source.publishKeyOf(stream) ?? "";
      const refusal = (await whyNotReady()) ?? whyFull(stream, asker);
      if (refusal !== undefined) return refusal;
      return begin({ stream, role: "publisher", feed: undefined, asker }, (session) =>
        supervisor.tell({ type: "publish", session, offer, media, relay: source.punch, stream, key }),
      );
    },

    find(stream, session) {
      if (kicked.has(session)) return "kicked";
      return sessions.all.get(session)?.stream === stream ? "there" : "unknown";
    },

    end(stream, session) {
      if (sessions.all.get(session)?.stream === stream) close(session);
    },

    kick(stream, viewer) {
      const found = sessions.viewers(stream, clock.now()).find(({ id }) => id === viewer);
      const session = found && [...sessions.all.keys()].find((id) => nameOf(id) === found.id);
      if (session === undefined) return false;
      kicked.set(session, clock.now() + kickedMs);
      close(session);
      return true;
    },

    viewers: (stream) => sessions.viewers(stream, clock.now()),
    counts: sessions.counts,

    close() {
      stopLooking();
      return supervisor.close();
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
