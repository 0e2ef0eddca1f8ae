import type { Endpoint } from "../core/address.ts";
import type { ViewerReport } from "../media/report-aggregator.ts";
import type { TrackFacts } from "../sdp/track-facts.ts";
import type { AnsweredMedia } from "./negotiate.ts";

/** A track of a stream that goes to browsers. */
export interface FedTrack extends TrackFacts {
  /** Of its RTP; its RTCP is the next one. */
  readonly component: number;
}

/** What one track of one browser got. */
export interface LegFigures {
  readonly component: number;
  /** RTP, what was sent again included; `drops` could not be sent. */
  readonly sent: { readonly packets: number; readonly bytes: number; readonly drops: number };
  /** What the browser last said of it. Default: no report came. */
  readonly report?: ViewerReport;
}

/** What one browser that watches got, since it connected. */
export interface ViewerFigures {
  readonly session: string;
  /** The path that ICE chose: the browser's mapped address and the relay's, `host:port`; absent until it is known. */
  readonly path?: { readonly mapped: string; readonly relay: string };
  /** Since anything came from it. */
  readonly silentMs: number;
  readonly legs: readonly LegFigures[];
}

/** What the relay tells the process that speaks WebRTC. */
export type ToChild =
  | {
      readonly type: "start";
      /** UDP port of all connections. */
      readonly port: number;
      /** IP literal to bind; absent: every address of this host. */
      readonly bindAddress?: string;
      /** Addresses beside the bound ones under which browsers reach the port. */
      readonly publicAddresses: readonly string[];
    }
  /** Packets with this number are of a stream with these tracks. */
  | { readonly type: "feed"; readonly feed: number; readonly tracks: readonly FedTrack[] }
  | { readonly type: "end-feed"; readonly feed: number }
  /** A browser watches. */
  | {
      readonly type: "view";
      readonly session: string;
      readonly feed: number;
      readonly offer: string;
      readonly media: readonly AnsweredMedia[];
    }
  /** A browser publishes: its media goes to the relay's punch port as any publisher's does. */
  | {
      readonly type: "publish";
      readonly session: string;
      readonly offer: string;
      readonly media: readonly AnsweredMedia[];
      readonly relay: Endpoint;
      readonly stream: string;
      readonly key: string;
    }
  | { readonly type: "close"; readonly session: string };

/** What it tells the relay. */
export type FromChild =
  | { readonly type: "ready" }
  /** WebRTC does not work on this host; the message says why. */
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "answer"; readonly session: string; readonly sdp: string }
  | { readonly type: "refused"; readonly session: string; readonly message: string }
  | { readonly type: "connected"; readonly session: string }
  | { readonly type: "closed"; readonly session: string }
  /** Every second, be there viewers or not: a process that is silent has come to a standstill. */
  | { readonly type: "figures"; readonly viewers: readonly ViewerFigures[] }
  /** A browser lacks a picture that is not in the cache. */
  | { readonly type: "want-key-frame"; readonly feed: number; readonly component: number }
  /** Pictures come in another order than they are shown, which browsers do not take from WebRTC. */
  | { readonly type: "b-frames"; readonly feed: number; readonly component: number }
  /** What a browser publishes, as an SDP. */
  | { readonly type: "described"; readonly session: string; readonly sdp: string };
