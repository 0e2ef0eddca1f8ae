import type { SenderStats } from "./sender.ts";

/** Everything a sender tells. As JSON, one object a line, this is the program's interface. */
export type SendEvent =
  /** A track that cannot be sent, and why. */
  | { readonly event: "skipped"; readonly track: number; readonly reason: string }
  /** The relay let a component in. */
  | { readonly event: "punched"; readonly component: number; readonly mapped: string; readonly relay: string }
  | { readonly event: "waiting"; readonly message: string }
  | {
      readonly event: "sending";
      readonly file: string;
      readonly tracks: readonly {
        readonly track: number;
        readonly codec: string;
        readonly payloadType: number;
        /** Of its RTP; its RTCP is the next one. */
        readonly component: number;
      }[];
      /** Where the SDP was written. */
      readonly sdp?: string;
    }
  /** The relay has the SDP for its viewers. */
  | { readonly event: "published"; readonly stream: string }
  | { readonly event: "warning"; readonly message: string }
  | ({ readonly event: "stats"; readonly sendErrors: number } & SenderStats)
  | { readonly event: "ended" };
