import type { Endpoint } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import type { WireTrack } from "../sdp/infer.ts";
import type { Sdp } from "../sdp/session.ts";
import type { LegFigures } from "./messages.ts";
import type { OfferRefusal } from "./negotiate.ts";
import type { TrackOutlook } from "./playable.ts";

/** What browsers' streams come from and go to. */
export interface WebRtcSource {
  /** The stream's SDP, if there is one. */
  sdp(stream: string): Sdp | undefined;
  /** What the packets show, and for how long its publisher has been sending; `undefined` while nothing comes. */
  wire(stream: string): { readonly tracks: readonly WireTrack[]; readonly liveMs: number } | undefined;
  isLive(stream: string): boolean;
  /** False where a plane carries media past user space. */
  readonly isSeen: boolean;
  /** Hears what has been since the last key frame, then every packet. */
  listen(stream: string, listener: (component: number, bytes: Uint8Array, atMs: number) => void): () => void;
  wantKeyFrame(stream: string, component: number): void;
  /** How many components a stream has; `undefined` if there is no such stream. */
  componentsOf(stream: string): number | undefined;
  publishKeyOf(stream: string): string | undefined;
  /** Takes the SDP of what a browser publishes. */
  describe(stream: string, sdp: string): void;
  /** The punch port, as this host reaches it. */
  readonly punch: Endpoint;
}

/** Where browsers reach the relay. */
export interface WebRtcOptions {
  readonly source: WebRtcSource;
  /** UDP port of all browsers. */
  readonly port: number;
  /** IP literal to bind; default: every address of this host. */
  readonly bindAddress?: string | undefined;
  /** IP literals that answers name beside the bound ones. */
  readonly publicAddresses?: readonly string[];
  readonly limits: WebRtcLimits;
  readonly clock: Clock;
  /** Told what goes wrong, in a sentence. */
  readonly warn: (message: string) => void;
  /** What the process runs. Default: child.ts. For tests. */
  readonly entry?: string;
}

/** Sessions at a time, viewers and publishers together. */
export interface WebRtcLimits {
  readonly perAddress: number;
  readonly perStream: number;
  readonly total: number;
}

/** Who asks for a session. */
export interface WebRtcAsker {
  /** The address it asks from, or its prefix: those of one share a limit. */
  readonly source: string;
  /** Whether its key still lets it do this. Asked every few seconds; who has none any more is out. */
  isGood(): boolean;
}

/** A browser that watches. */
export interface BrowserViewer {
  /** What it is kicked by. */
  readonly id: string;
  readonly stream: string;
  /** Since it connected. */
  readonly watchingMs: number;
  /** Since anything came from it. */
  readonly silentMs: number;
  /** The path that ICE chose, `host:port` each: its mapped address, the relay's. */
  readonly path?: { readonly mapped: string; readonly relay: string };
  /** By track. */
  readonly legs: readonly LegFigures[];
}

/** The browsers of a stream. */
export interface BrowserCounts {
  readonly viewers: number;
  readonly publishers: number;
  /** To all viewers, since the relay started. */
  readonly sent: LegFigures["sent"];
  /** 0-1, of the viewer who fares worst. */
  readonly worstLossFraction: number;
}

/** Why a browser is not served. */
export type WebRtcRefusal =
  | { readonly kind: "not-live" }
  | { readonly kind: "not-playable"; readonly outlook: readonly TrackOutlook[] }
  | { readonly kind: "bad-offer"; readonly reason: OfferRefusal }
  | { readonly kind: "unavailable"; readonly message: string };

/** A browser's session that has begun. */
export interface WebRtcSession {
  readonly id: string;
  /** SDP. */
  readonly answer: string;
}

/** What of a stream browsers can play. */
export interface WebRtcStatus {
  readonly live: boolean;
  readonly tracks: readonly TrackOutlook[];
  /** Why nothing plays, whatever the tracks are. */
  readonly message?: string;
}

/** Browsers that watch and publish. */
export interface WebRtc {
  /** Gets ready, since somebody is about to ask. */
  prepare(): void;
  status(stream: string): WebRtcStatus;
  /** @throws PunchcastError BAD_SDP */
  view(stream: string, offer: string, asker: WebRtcAsker): Promise<WebRtcSession | WebRtcRefusal>;
  /** @throws PunchcastError BAD_SDP */
  publish(stream: string, offer: string, asker: WebRtcAsker): Promise<WebRtcSession | WebRtcRefusal>;
  /** Whether there is a session, or there was one until it was kicked, a minute ago at most. */
  find(stream: string, session: string): "there" | "kicked" | "unknown";
  /** Ends a session, if it is there. */
  end(stream: string, session: string): void;
  /** Ends a viewer's session, which it learns when it next asks; false if there is none. */
  kick(stream: string, viewer: string): boolean;
  /** Browsers that watch, of one stream or of all. */
  viewers(stream?: string): BrowserViewer[];
  counts(stream: string): BrowserCounts;
  close(): Promise<void>;
}
