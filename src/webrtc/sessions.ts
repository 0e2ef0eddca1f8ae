import type { ViewerFigures } from "./messages.ts";
import type { BrowserCounts, BrowserViewer, WebRtcAsker, WebRtcLimits } from "./web-rtc-types.ts";

/** One browser's session, from its offer on. */
export interface Session {
  readonly id: string;
  readonly stream: string;
  readonly role: "viewer" | "publisher";
  readonly asker: WebRtcAsker;
  /** Whose packets it gets; `undefined` for publishers. */
  readonly feed: number | undefined;
  /** The answer, SDP. */
  readonly answered: PromiseWithResolvers<string>;
  isConnected: boolean;
  /** When it connected, in the clock's milliseconds. */
  connectedAt: number;
  figures?: ViewerFigures;
}

/** The sessions that there are. */
export interface Sessions {
  readonly all: ReadonlyMap<string, Session>;
  /** Why there is no room for another; `undefined`: there is. */
  refusal(stream: string, source: string): string | undefined;
  add(session: Pick<Session, "id" | "stream" | "role" | "asker" | "feed">): Session;
  connected(id: string, now: number): void;
  /** Takes one out, and keeps what it was sent. */
  remove(id: string): Session | undefined;
  take(figures: readonly ViewerFigures[]): void;
  /** Those connected, under the names by which they are kicked. */
  viewers(stream: string | undefined, now: number): BrowserViewer[];
  counts(stream: string): BrowserCounts;
}

/** Names in lists are half of a session's id: with the whole, whoever reads lists could end sessions as their owners do. */
const nameLength = 16;

/** How a session is named in lists. */
export function nameOf(id: string): string {
  return id.slice(0, nameLength);
}

const nothing = { packets: 0, bytes: 0, drops: 0 } as const;
type Sent = { readonly [Of in keyof typeof nothing]: number };

/** No sessions. */
export function createSessions(limits: WebRtcLimits): Sessions {
  const all = new Map<string, Session>();
  /** What sessions that have ended were sent, by stream: as many as there are streams. */
  const past = new Map<string, Sent>();

  const count = (of: (session: Session) => boolean): number => [...all.values()].filter(of).length;

  function viewersOf(stream: string | undefined): Session[] {
    return [...all.values()].filter(
      (session) =>
        session.isConnected && session.role === "viewer" && (stream === undefined || session.stream === stream),
    );
  }

  return {
    all,

    refusal(stream, source) {
      if (all.size >= limits.total) return `${limits.total} browsers are connected already`;
      if (count((session) => session.stream === stream) >= limits.perStream)
        return `${limits.perStream} browsers are connected to this stream already`;
      if (count(({ asker }) => asker.source === source) >= limits.perAddress)
        return `${limits.perAddress} browsers of your address are connected already`;
      return undefined;
    },

    add(wanted) {
      const session = { ...wanted, answered: Promise.withResolvers<string>(), isConnected: false, connectedAt: 0 };
      // Nobody may be waiting for it any more when it fails.
      session.answered.promise.catch(() => {});
      all.set(session.id, session);
      return session;
    },

    connected(id, now) {
      const session = all.get(id);
      if (session === undefined) return;
      session.isConnected = true;
      session.connectedAt = now;
    },

    remove(id) {
      const session = all.get(id);
      all.delete(id);
      if (session?.figures !== undefined) {
        past.set(session.stream, sum([past.get(session.stream) ?? nothing, sentTo(session)]));
      }
      return session;
    },

    take(figures) {
      for (const each of figures) {
        const session = all.get(each.session);
        if (session !== undefined) session.figures = each;
      }
    },

    viewers: (stream, now) =>
      viewersOf(stream).map(({ id, stream: of, connectedAt, figures }) => ({
        ...{ id: nameOf(id), stream: of, watchingMs: Math.round(now - connectedAt) },
        silentMs: figures?.silentMs ?? 0,
        legs: figures?.legs ?? [],
        ...(figures?.path && { path: figures.path }),
      })),

    counts(stream) {
      const viewers = viewersOf(stream);
      const losses = viewers.flatMap(
        ({ figures }) => figures?.legs.map(({ report }) => report?.lossFraction ?? 0) ?? [],
      );
      return {
        viewers: viewers.length,
        publishers: count(
          (session) => session.isConnected && session.role === "publisher" && session.stream === stream,
        ),
        sent: sum([past.get(stream) ?? nothing, ...viewers.map(sentTo)]),
        worstLossFraction: Math.max(0, ...losses),
      };
    },
  };
}

function sentTo({ figures }: Session): Sent {
  return sum(figures?.legs.map(({ sent }) => sent) ?? []);
}

function sum(all: readonly Sent[]): Sent {
  return all.reduce<Sent>(
    (total, { packets, bytes, drops }) => ({
      packets: total.packets + packets,
      bytes: total.bytes + bytes,
      drops: total.drops + drops,
    }),
    nothing,
  );
}
