import type { Endpoint } from "../core/address.ts";

/** Names a hole for as long as it lives, over every move of its mapped address. */
export type HoleId = string;

/** Names one component of one stream: the unit that an ingest flow feeds and that holes are opened to. */
export type ComponentId = string;

/** The id of component `component` of stream `stream`. */
export function componentId(stream: string, component: number): ComponentId {
  return `${stream}/${component}`;
}

/**
 * True for every second component, which has the RTCP of the one before. It is so little that user space sends it in every
 * data plane, since it has to read it anyway and may have to mend it.
 */
export function carriesRtcp(component: ComponentId): boolean {
  return Number(component.slice(component.lastIndexOf("/") + 1)) % 2 === 1;
}

/** Who feeds a component: media is taken from exactly this publisher at exactly this local port. */
export interface Flow {
  /** The relay's address and port that the publisher sends to. */
  readonly local: Endpoint;
  /** The publisher's address as the relay sees it. */
  readonly publisher: Endpoint;
}

/** Where a component's packets go, and from which of the relay's addresses. */
export interface HoleTarget {
  /** The relay's address and port that the viewer punched to: media must leave from here or the viewer's NAT drops it. */
  readonly local: Endpoint;
  /** The viewer's mapped address. */
  readonly remote: Endpoint;
}

/**
 * One step from the forwarding table as it was to the table as it should be. Every change is idempotent: it states how
 * a hole or a flow shall be, so applying it twice is applying it once.
 */
export type ForwardingChange =
  | { readonly type: "open-hole"; readonly hole: HoleId; readonly component: ComponentId; readonly target: HoleTarget }
  | { readonly type: "move-hole"; readonly hole: HoleId; readonly target: HoleTarget }
  | { readonly type: "close-hole"; readonly hole: HoleId }
  | { readonly type: "set-flow"; readonly component: ComponentId; readonly flow: Flow }
  | { readonly type: "clear-flow"; readonly component: ComponentId };
