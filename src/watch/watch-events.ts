import type { RestartKind } from "../media/continued-track.ts";

/** One component's figures; totals since the start. */
export interface ComponentStats {
  readonly component: number;
  readonly packets: number;
  /** UDP payload. */
  readonly bytes: number;
  /** RTP packets that never came (RFC 3550 §A.3); 0 for what is not RTP. */
  readonly lost: number;
  /** Interarrival jitter (RFC 3550 §A.8) in milliseconds; 0 until the clock rate is known. */
  readonly jitterMs: number;
  /** Missing RTP packets that the relay was asked for. */
  readonly requested: number;
  /** Of these, those that came; they no longer count as lost. */
  readonly repaired: number;
  /** RTP packets handed to the player after one with a higher number. */
  readonly late: number;
  /** RTP packets that came twice, handed on once. */
  readonly duplicates: number;
}

/** Everything a viewer's agent tells. As JSON, one object a line, this is the program's interface. */
export type WatchEvent =
  /** A hole is open. `local` is this host's address, `mapped` the NAT's as the relay sees it; all `host:port`. */
  | {
      readonly event: "punched";
      readonly component: number;
      readonly local: string;
      /** `undefined` after a bare punch: the relay answers none, so only media shows that it worked. */
      readonly mapped: string | undefined;
      readonly relay: string;
    }
  /** The NAT changed the mapping and the hole moved with it. */
  | {
      readonly event: "rebound";
      readonly component: number;
      readonly local: string;
      readonly mapped: string;
      readonly previous: string;
      readonly relay: string;
    }
  /**
   * All holes are open: component k goes to `port` + k of 127.0.0.1, where a player may listen, or, if `outputs` were given,
   * to each of those (`udp://HOST:PORT`) in the same way; `port` is then the first one's.
   */
  | {
      readonly event: "ready";
      readonly port: number;
      readonly components: readonly number[];
      readonly sdp?: string;
      readonly outputs?: readonly string[];
    }
  /** The relay told what the stream is: a player may open the file `sdp`. Only if none was given. */
  | { readonly event: "sdp"; readonly sdp: string }
  /** There is no SDP for a player (yet): why, and what cures it. The agent goes on asking. */
  | { readonly event: "no-sdp"; readonly message: string }
  /** What the agent is trying while it waits. */
  | { readonly event: "waiting"; readonly message: string }
  | {
      readonly event: "stats";
      /** Of the last answered punch; `undefined` before the first. */
      readonly rttMs: number | undefined;
      readonly components: readonly ComponentStats[];
      /** Datagrams from others than the relay, dropped. */
      readonly strangers: number;
    }
  /** No media for a second; the agent punches again. */
  | { readonly event: "stalled"; readonly sinceMs: number }
  /** Media again, after this long. */
  | { readonly event: "resumed"; readonly afterMs: number }
  /** The publisher began anew, with the SSRC it had or another; told once a track. Players go on as if it had not. */
  | { readonly event: "publisher-restarted"; readonly component: number; readonly kind: RestartKind }
  | { readonly event: "ended"; readonly reason: "stopped" | "duration" | "player-closed" | "recorder-closed" };
