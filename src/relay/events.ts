import type { ForwardingChange, HoleId } from "./forwarding.ts";

/** Why a hole closed. */
export type HoleCloseReason =
  /** The viewer said so (LIFETIME 0). */
  | "left"
  /** No consent (or, for a bare punch, no datagram) for 30 s. */
  | "expired"
  /** Another viewer now has this mapped address: the NAT gave it away. */
  | "replaced"
  /** The data plane has room for one viewer, and on this stream the last one gets it. */
  | "taken-over"
  /** Whoever runs the relay ended it. */
  | "kicked"
  /** The stream was taken off the relay. */
  | "stream-removed"
  /** The relay stopped. */
  | "relay-stopped";

/** What the relay core tells the outside. Addresses are written `host:port`; no event ever holds a key. */
export type RelayEvent =
  | {
      readonly event: "publisher";
      readonly stream: string;
      /** `live`: it began; `moved`: the same publisher from a new address; `idle`: no packet for 10 s, or it left. */
      readonly state: "live" | "moved" | "idle";
      /** How it may publish: by the address it sends from, or by the publish key. */
      readonly by: "address" | "key";
      readonly component: number;
      readonly address: string;
    }
  | {
      readonly event: "hole-opened";
      readonly hole: HoleId;
      readonly stream: string;
      readonly component: number;
      /** `key`: STUN with credentials; `bare`: any datagram, on an open relay. */
      readonly by: "key" | "bare";
      readonly mapped: string;
      readonly relay: string;
    }
  | {
      readonly event: "hole-moved";
      readonly hole: HoleId;
      readonly stream: string;
      readonly component: number;
      readonly mapped: string;
      readonly previous: string;
    }
  | {
      readonly event: "hole-closed";
      readonly hole: HoleId;
      readonly stream: string;
      readonly component: number;
      readonly mapped: string;
      readonly reason: HoleCloseReason;
    };

/** Collects what one decision changes, for the thin shell to carry out. */
export interface Effects {
  readonly changes: ForwardingChange[];
  readonly events: RelayEvent[];
}

/** An empty collection. */
export function noEffects(): Effects {
  return { changes: [], events: [] };
}
