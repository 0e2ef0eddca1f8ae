import type { Endpoint } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import type { WireTrack } from "../sdp/infer.ts";
import type { Sdp } from "../sdp/session.ts";
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
  readonly clock: Clock;
  /** Told what goes wrong, in a sentence. */
  readonly warn: (message: string) => void;
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
  view(stream: string, offer: string): Promise<WebRtcSession | WebRtcRefusal>;
  /** @throws PunchcastError BAD_SDP */
  publish(stream: string, offer: string): Promise<WebRtcSession | WebRtcRefusal>;
  /** Takes candidates of the browser; false if there is no such session. */
  addCandidates(
    stream: string,
    session: string,
    candidates: readonly { readonly candidate: string; readonly mid: string }[],
  ): boolean;
  /** Ends a session; false if there is none. */
  end(stream: string, session: string): boolean;
  /** Browsers connected now, stream by stream. */
  sessions(): ReadonlyMap<string, { readonly viewers: number; readonly publishers: number }>;
  close(): Promise<void>;
}
