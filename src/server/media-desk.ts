import type { Endpoint } from "../core/address.ts";
import { type Clock, scheduleEvery } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { tellMediaMs } from "../data-plane/data-plane.ts";
import type { RestartKind } from "../media/ingest-statistics.ts";
import type { ViewerReport } from "../media/report-aggregator.ts";
import {
  type ComponentId,
  carriesRtcp,
  type Flow,
  type ForwardingChange,
  type HoleTarget,
} from "../relay/forwarding.ts";
import type { Hole, Holes } from "../relay/holes.ts";
import type { Publishers } from "../relay/publishers.ts";
import type { Stream } from "../relay/stream.ts";
import { classifyDatagram } from "../rtp/demux.ts";
import { createMediaTaps, type MediaListener, tellPast } from "./media-taps.ts";
import { createOversize } from "./oversize.ts";
import { createReplays } from "./replays.ts";
import type { StreamFare } from "./server-events.ts";
import { createStreamMedia, type DescribedCodec, type StreamMedia } from "./stream-media.ts";

/** What the desk works with. */
export interface MediaDeskOptions {
  readonly core: {
    readonly streams: ReadonlyMap<string, Stream>;
    readonly holes: Pick<Holes, "get" | "values">;
    readonly publishers: Pick<Publishers, "flowOf">;
  };
  readonly clock: Clock;
  readonly random: Random;
  /** Whether newcomers are shown what has been since the last key frame. */
  readonly cache: boolean;
  /** What a stream's SDP says of a payload type, if there is one. */
  readonly described: (stream: string, component: number, payloadType: number) => DescribedCodec | undefined;
  /** Sends a datagram to the holes of a component. */
  readonly deliver: (component: ComponentId, bytes: Uint8Array, flow: Flow) => void;
  readonly onRestart: (stream: string, component: number, kind: RestartKind) => void;
  readonly send: (local: Endpoint, remote: Endpoint, bytes: Uint8Array) => boolean;
  /** Has the data plane open a hole. */
  readonly open: (change: ForwardingChange, onOpen: () => void) => Promise<unknown>;
  /** The largest IP packet that the path takes in one piece, if it is known. */
  readonly mtuOf: (remote: Endpoint) => number | undefined;
  readonly warn: (message: string) => void;
  /** Has the data plane tell `onCarried` of each packet within so many ms. */
  readonly tellMediaWithin: (ms: number) => void;
}

/** Looks after the media of all streams: everything that is more than moving packets. */
export interface MediaDesk {
  /** Takes a packet of a publisher that came to user space, and returns what viewers get in its place. */
  onIngest(component: ComponentId, bytes: Uint8Array): Uint8Array;
  /** Takes a copy of a packet that a plane has sent on by itself. */
  onCarried(component: ComponentId, bytes: Uint8Array, atMs: number): void;
  /** Takes a viewer's RTCP. */
  onFeedback(hole: Hole, bytes: Uint8Array): void;
  /** Keeps back the holes of newcomers that catch up first, and returns the changes that are the data plane's now. */
  take(changes: readonly ForwardingChange[]): ForwardingChange[];
  media(stream: string): StreamMedia | undefined;
  addStream(stream: Stream): void;
  removeStream(stream: Stream): void;
  /** What a hole's viewer last said of its leg. */
  reportOf(hole: Hole): ViewerReport | undefined;
  /** Hears what has been since the last key frame, and then every packet as viewers get it, until the function is called. */
  listen(stream: string, listener: MediaListener): () => void;
  /** Somebody lacks a picture of this component. */
  wantKeyFrame(stream: string, component: number): void;
  /** How a stream fares. */
  fare(stream: string): StreamFare;
  close(): void;
}

/** How often RTCP for publishers is looked for where no packet drives it. */
const pollMs = 100;

/** While somebody hears the packets, whom each delay reaches. Less would cost more than it brings: a picture lasts 20 ms. */
const heardMs = 5;

/** A path's MTU changes when a route does: soon enough to be told while people still look. */
const lookMs = 5_000;

/** Opens it, with the streams that the core has. */
export function createMediaDesk(options: MediaDeskOptions): MediaDesk {
  const { core, clock, random, cache, send } = options;
  // RFC 7022 §4.2: a name that says nothing of its host.
  const cname = Buffer.from(random.bytes(12)).toString("base64");
  const medias = new Map<string, StreamMedia>();
  const at = new Map<
    ComponentId,
    { readonly stream: string; readonly component: number; readonly media: StreamMedia }
  >();
  function addStream({ name, componentIds }: Stream): void {
    const described = (component: number, type: number): DescribedCodec | undefined =>
      options.described(name, component, type);
    const media = createStreamMedia({
      ...{ random, cname, cache, described },
      report(component, bytes) {
        taps.tell(name, component, bytes, clock.now());
        const [id, flow] = [componentIds[component], core.publishers.flowOf(name, component & ~1)];
        if (id !== undefined && flow !== undefined) options.deliver(id, bytes, flow);
      },
      onRestart: (component, kind) => options.onRestart(name, component, kind),
    });
    medias.set(name, media);
    for (const [component, id] of componentIds.entries()) at.set(id, { stream: name, component, media });
  }
  const taps = createMediaTaps((isHeard) => options.tellMediaWithin(isHeard ? heardMs : tellMediaMs));
  for (const stream of core.streams.values()) addStream(stream);
  const oversize = createOversize(options.mtuOf, options.warn);
  const replays = createReplays({
    clock,
    open: options.open,
    pastOf(id) {
      const found = at.get(id);
      return found?.media.pastOf(found.component, clock.now());
    },
    // A copy: the socket may hold it for longer than the past does.
    send: ({ local, remote }: HoleTarget, bytes) => void send(local, remote, bytes.slice()),
  });

  function answerPublisher(stream: string, media: StreamMedia): void {
    for (const { component, bytes } of media.poll(clock.now())) {
      // To where its RTCP comes from; who sends none would not know what to do with any.
      const flow: Flow | undefined = core.publishers.flowOf(stream, component | 1);
      if (flow !== undefined) send(flow.local, flow.publisher, bytes);
    }
  }

  function onMedia(component: ComponentId, bytes: Uint8Array, atMs: number): void {
    const found = at.get(component);
    if (found === undefined) return;
    found.media.onPacket(found.component, bytes, atMs);
    taps.tell(found.stream, found.component, bytes, atMs);
    oversize.onPacket(found.stream, bytes.length);
    answerPublisher(found.stream, found.media);
  }

  /** Who joins live waits for a key frame, and the publisher may be one that makes them when asked. */
  function welcome(component: ComponentId): void {
    const found = at.get(component);
    if (found === undefined) return;
    found.media.welcome(found.component);
    answerPublisher(found.stream, found.media);
  }

  const stops = [
    scheduleEvery(clock, pollMs, () => {
      for (const [name, media] of medias) answerPublisher(name, media);
    }),
    scheduleEvery(clock, lookMs, () => {
      const holes = Map.groupBy(core.holes.values(), ({ stream }) => stream.name);
      for (const [name, here] of holes)
        oversize.look(
          name,
          here.map(({ remote }) => remote),
        );
    }),
  ];

  return {
    onIngest(component, bytes) {
      const found = at.get(component);
      const now = clock.now();
      if (found !== undefined && carriesRtcp(component) && classifyDatagram(bytes) === "rtcp") {
        const passedOn = found.media.onReport(found.component, bytes, now);
        taps.tell(found.stream, found.component, passedOn, now);
        return passedOn;
      }
      onMedia(component, bytes, now);
      return bytes;
    },

    onCarried: onMedia,

    onFeedback(hole, bytes) {
      const { name } = hole.stream;
      const media = medias.get(name);
      // A viewer may send RTCP from either socket of a track; packets go to the one that it has for them.
      const id = hole.id.replace(/\d+$/, String(hole.component & ~1));
      const to = carriesRtcp(hole.id) ? core.holes.get(id) : hole;
      if (media === undefined) return;
      const resend = (packet: Uint8Array): void => {
        if (to !== undefined) send(to.local, to.remote, packet.slice());
      };
      media.onFeedback({ id, component: hole.component }, bytes, clock.now(), resend);
      answerPublisher(name, media);
    },

    take(changes) {
      for (const change of changes) {
        if (change.type !== "close-hole") continue;
        for (const media of medias.values()) media.forget(change.hole);
      }
      const now = replays.take(changes);
      for (const change of now) if (change.type === "open-hole") welcome(change.component);
      return now;
    },

    media: (stream) => medias.get(stream),
    addStream,

    removeStream({ name, componentIds }) {
      medias.delete(name);
      for (const id of componentIds) at.delete(id);
      oversize.forget(name);
    },

    reportOf(hole) {
      const track = medias
        .get(hole.stream.name)
        ?.tracks()
        .find(([component]) => component === hole.component)?.[1];
      return track?.viewer(hole.id, clock.now());
    },

    listen(stream, listener) {
      const media = medias.get(stream);
      const now = clock.now();
      const components = core.streams.get(stream)?.componentIds.keys() ?? [];
      const pasts = [...components].flatMap((component) => {
        const past = media?.pastOf(component, now);
        return past === undefined ? [] : [[component, past] as const];
      });
      tellPast(new Map(pasts), listener);
      return taps.add(stream, listener);
    },

    wantKeyFrame(stream, component) {
      const media = medias.get(stream);
      media?.welcome(component);
      if (media !== undefined) answerPublisher(stream, media);
    },

    fare(stream) {
      const now = clock.now();
      const media = medias.get(stream);
      const tracks = media?.tracks() ?? [];
      return {
        ingest(component) {
          const snapshot = media?.ingest(component, now);
          if (snapshot === undefined) return undefined;
          const { packets: _packets, bytes: _bytes, lastKeyFrameAtMs: _at, ...fare } = snapshot;
          return fare;
        },
        viewers: tracks.map(([component, track]) => ({ component, ...track.viewers(now) })),
        repair: tracks.reduce(
          (sum, [, track]) => {
            const { resent, refused } = track.counters();
            return { resent: sum.resent + resent, refused: sum.refused + refused };
          },
          { resent: 0, refused: 0 },
        ),
        oversized: oversize.count(stream),
      };
    },

    close() {
      for (const stop of stops) stop();
      replays.close();
    },
  };
}
