import { randomBytes } from "node:crypto";
import { readSdp } from "../sdp/session.ts";
import type { FedTrack, FromChild } from "./messages.ts";
import { type AnsweredMedia, answerPublisher, answerViewer, type OfferRefusal } from "./negotiate.ts";
import { playable } from "./playable.ts";
import { createSupervisor } from "./supervisor.ts";
import type { WebRtc, WebRtcOptions, WebRtcRefusal, WebRtcSession } from "./web-rtc-types.ts";

/** How long the answer may take: gathering addresses takes milliseconds. */
const answerMs = 3_000;

/** How long a publisher's tracks are waited for: it takes seconds to be sure of a codec, and one may never begin. */
const settleMs = 5_000;

/** Sessions at a time: what one core carries at 2 Mbit/s each is about fifty; more than some times that is an attack. */
const sessionsMax = 500;

interface Session {
  readonly stream: string;
  readonly role: "viewer" | "publisher";
  readonly feed: number | undefined;
  readonly answered: PromiseWithResolvers<string>;
  isConnected: boolean;
}

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
  const sessions = new Map<string, Session>();
  const feeds = new Map<string, OpenFeed>();
  const bFrames = new Map<string, ReadonlySet<number>>();
  let lastFeed = 0;
  let failure: string | undefined;

  const supervisor = createSupervisor({
    clock,
    start: () => ({ type: "start", port, publicAddresses, ...(bindAddress !== undefined && { bindAddress }) }),
    onMessage,
    onGone(why) {
      if (failure === undefined) warn(`Browsers were cut off and connect again by themselves: ${why}.`);
      for (const { answered } of sessions.values()) answered.reject(new Error(why));
      sessions.clear();
      for (const feed of feeds.values()) feed.stopListening();
      feeds.clear();
    },
  });

  function onMessage(message: FromChild): void {
    switch (message.type) {
      case "answer":
        sessions.get(message.session)?.answered.resolve(message.sdp);
        break;
      case "refused":
        sessions.get(message.session)?.answered.reject(new Error(message.message));
        if (sessions.get(message.session)?.role === "publisher") warn(`A browser cannot publish: ${message.message}`);
        break;
      case "connected": {
        const session = sessions.get(message.session);
        if (session !== undefined) session.isConnected = true;
        break;
      }
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
    const session = sessions.get(id);
    if (session === undefined) return;
    try {
      source.describe(session.stream, sdp);
    } catch (error) {
      warn(`What a browser publishes to '${session.stream}' cannot be described: ${error}`);
    }
  }

  function forget(id: string): void {
    const session = sessions.get(id);
    if (session === undefined) return;
    sessions.delete(id);
    session.answered.reject(new Error("it ended"));
    const isFeedUsed = [...sessions.values()].some(({ feed }) => feed === session.feed);
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

  async function isReady(): Promise<WebRtcRefusal | undefined> {
    if (failure !== undefined) return { kind: "unavailable", message: failure };
    if (sessions.size >= sessionsMax)
      return { kind: "unavailable", message: `${sessionsMax} browsers are connected already` };
    try {
      await supervisor.ready();
      return undefined;
    } catch (error) {
      return { kind: "unavailable", message: messageOf(error) };
    }
  }

  async function begin(
    stream: string,
    role: Session["role"],
    feed: number | undefined,
    tell: (id: string) => void,
  ): Promise<WebRtcSession | WebRtcRefusal> {
    const id = randomBytes(16).toString("hex");
    const answered = Promise.withResolvers<string>();
    sessions.set(id, { stream, role, feed, answered, isConnected: false });
    const cancel = clock.schedule(answerMs, () => answered.reject(new Error("the answer took too long")));
    tell(id);
    try {
      return { id, answer: await answered.promise };
    } catch (error) {
      supervisor.tell({ type: "close", session: id });
      forget(id);
      return { kind: "unavailable", message: messageOf(error) };
    } finally {
      cancel();
    }
  }

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

    async view(stream, text) {
      const offer = readSdp(text);
      if (!source.isLive(stream) || !source.isSeen) return { kind: "not-live" };
      const { tracks, outlook } = outlookOf(stream);
      const media = answerViewer(offer, tracks);
      // Who asks again in a moment gets all tracks, who is let in now only those that are known.
      const isYoung = (source.wire(stream)?.liveMs ?? 0) < settleMs;
      if (isYoung && outlook.some(({ plays }) => plays === "not-yet")) return { kind: "not-playable", outlook };
      if (tracks.length === 0 || media === "no-common-codec") return { kind: "not-playable", outlook };
      if (isBad(media)) return { kind: "bad-offer", reason: media };
      const refusal = await isReady();
      if (refusal !== undefined) return refusal;
      const feed = openFeed(stream, tracks);
      return begin(stream, "viewer", feed.number, (session) =>
        supervisor.tell({ type: "view", session, feed: feed.number, offer: text, media }),
      );
    },

    async publish(stream, text) {
      const offer = readSdp(text);
      const media = answerPublisher(offer, source.componentsOf(stream) ?? 0);
      if (isBad(media)) return { kind: "bad-offer", reason: media };
      const key = source.publishKeyOf(stream) ?? "";
      const refusal = await isReady();
      if (refusal !== undefined) return refusal;
      return begin(stream, "publisher", undefined, (session) =>
        supervisor.tell({ type: "publish", session, offer: text, media, relay: source.punch, stream, key }),
      );
    },

    addCandidates(stream, session, candidates) {
      if (sessions.get(session)?.stream !== stream) return false;
      for (const each of candidates) supervisor.tell({ type: "candidate", session, ...each });
      return true;
    },

    end(stream, session) {
      if (sessions.get(session)?.stream !== stream) return false;
      supervisor.tell({ type: "close", session });
      forget(session);
      return true;
    },

    sessions() {
      const counts = new Map<string, { viewers: number; publishers: number }>();
      for (const { stream, role, isConnected } of sessions.values()) {
        if (!isConnected) continue;
        const count = counts.get(stream) ?? { viewers: 0, publishers: 0 };
        counts.set(stream, count);
        if (role === "viewer") count.viewers += 1;
        else count.publishers += 1;
      }
      return counts;
    },

    close: () => supervisor.close(),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
