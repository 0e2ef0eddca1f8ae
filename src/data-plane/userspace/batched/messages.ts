import type { MessagePort } from "node:worker_threads";
import type { Endpoint } from "../../../core/address.ts";
import type { ComponentId, ForwardingChange } from "../../../relay/forwarding.ts";
import type { PlaneCounters } from "../../data-plane.ts";
import type { CarriedParcel } from "./carried.ts";

/** What the media thread is started with. */
export interface MediaThreadData {
  readonly port: MessagePort;
  /** Rung after each message. */
  readonly wakeUpFd: number;
  /** Whether packets of a run go out as one message. */
  readonly segmentation: boolean;
  /** Whether the main thread wants a copy of what was sent on. */
  readonly tap: boolean;
  /** How far the main thread's `performance.now()` is behind the system's monotonic clock, in ms. */
  readonly clockBehindMs: number;
}

/** From the main thread to the media thread. A `ticket` is answered by a `done` of the same number once it is carried out. */
export type ToMediaThread =
  | { readonly type: "ports"; readonly punchPort: number }
  | { readonly type: "open-socket"; readonly socket: number; readonly fd: number; readonly local: Endpoint }
  | { readonly type: "close-socket"; readonly socket: number; readonly ticket: number }
  | { readonly type: "apply"; readonly changes: readonly ForwardingChange[]; readonly ticket: number }
  | { readonly type: "deliver"; readonly component: ComponentId; readonly bytes: Uint8Array }
  /** So many of the datagrams that went up from a socket have been dealt with, in order. */
  | { readonly type: "taken"; readonly socket: number; readonly count: number }
  /** How long copies of what was sent on are gathered from now on. */
  | { readonly type: "tell-within"; readonly ms: number }
  | { readonly type: "read"; readonly ticket: number }
  | { readonly type: "close" };

/** From the media thread to the main thread. */
export type FromMediaThread =
  /** Datagrams that the relay core has to decide on: number is the socket, the head its sender's address. */
  | { readonly type: "up"; readonly parcel: Uint8Array<ArrayBuffer> }
  /** Copies of what was sent on. */
  | { readonly type: "carried"; readonly carried: CarriedParcel }
  | { readonly type: "done"; readonly ticket: number }
  | { readonly type: "counters"; readonly ticket: number; readonly counters: PlaneCounters }
  /** Media went by of which the main thread has seen nothing; totals as in `PlaneCounters`. */
  | { readonly type: "seen"; readonly unseen: PlaneCounters["unseen"] };
