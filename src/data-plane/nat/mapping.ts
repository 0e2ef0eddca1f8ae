import { addressFamily, type Endpoint, formatEndpoint } from "../../core/address.ts";
import {
  type ComponentId,
  carriesRtcp,
  type Flow,
  type ForwardingChange,
  type HoleId,
  type HoleTarget,
} from "../../relay/forwarding.ts";

/**
 * One line of the kernel's work: what comes from `publisher` to `ingest` goes to `viewer`, and leaves as if from `punched`.
 * All four are of one IP version.
 */
export interface Mapping {
  readonly publisher: Endpoint;
  /** The relay's address and port that the publisher sends to. */
  readonly ingest: Endpoint;
  /** The viewer's mapped address. */
  readonly viewer: Endpoint;
  /** The relay's address and port that the viewer punched to. */
  readonly punched: Endpoint;
}

/** A mapping and whose it is. */
export interface OwnedMapping extends Mapping {
  readonly component: ComponentId;
  readonly hole: HoleId;
}

/** Packets and bytes of UDP payload. */
export interface Count {
  readonly packets: number;
  readonly bytes: number;
}

/** What the kernel did for one mapping: what came in for it, and what of that left the host. */
export interface MappingCounts {
  readonly carried: Count;
  readonly sent: Count;
}

/** The IP version of a mapping. */
export function familyOf(mapping: Mapping): 4 | 6 {
  return addressFamily(mapping.viewer.address);
}

/** One text per mapping. */
export function mappingKey({ publisher, ingest, viewer, punched }: Mapping): string {
  return [publisher, ingest, viewer, punched].map(formatEndpoint).join(" ");
}

/** What packets between these two are counted under: they have these addresses while the kernel forwards them. */
export function countKey({ publisher, viewer }: Pick<Mapping, "publisher" | "viewer">): string {
  return `${formatEndpoint(publisher)} ${formatEndpoint(viewer)}`;
}

/** Which flows and holes there are, and the mappings that follow. */
export interface ForwardingState {
  apply(change: ForwardingChange): void;
  /** The component of an open hole. */
  componentOf(hole: HoleId): ComponentId | undefined;
  /**
   * The mappings that the kernel is to carry: media, not RTCP. A component needs a flow and exactly one hole: the kernel translates a packet but
   * does not multiply it. `isLocal` tells the host's own addresses: what they send never passes the kernel's prerouting, and
   * what goes to them is not forwarded. All that is left out comes up to user space.
   */
  mappings(isLocal: (address: string) => boolean, families: ReadonlySet<4 | 6>): OwnedMapping[];
  /** The flows that there are, with a hole or without. */
  flows(): readonly Flow[];
  clear(): void;
}

/** A state without flows and holes. */
export function createForwardingState(): ForwardingState {
  const flows = new Map<ComponentId, Flow>();
  const holes = new Map<HoleId, { readonly component: ComponentId; readonly target: HoleTarget }>();
  return {
    apply(change) {
      if (change.type === "set-flow") flows.set(change.component, change.flow);
      else if (change.type === "clear-flow") flows.delete(change.component);
      else if (change.type === "close-hole") holes.delete(change.hole);
      else if (change.type === "open-hole")
        holes.set(change.hole, { component: change.component, target: change.target });
      else {
        const hole = holes.get(change.hole);
        if (hole !== undefined) holes.set(change.hole, { component: hole.component, target: change.target });
      }
    },

    componentOf: (hole) => holes.get(hole)?.component,

    mappings(isLocal, families) {
      const perComponent = Map.groupBy(holes, ([, { component }]) => component);
      // Two mappings may not meet in the kernel's tables; a key holder could ask for such by feeding two components alike.
      const taken = new Set<string>();
      const take = (key: string): boolean => !taken.has(key) && taken.add(key).has(key);
      return [...perComponent].flatMap(([component, [first, ...others]]) => {
        const flow = flows.get(component);
        if (flow === undefined || first === undefined || others.length > 0 || carriesRtcp(component)) return [];
        const [hole, { target }] = first;
        const mapping = {
          ...{ component, hole, publisher: flow.publisher, ingest: flow.local },
          ...{ viewer: target.remote, punched: target.local },
        };
        const ends = [mapping.publisher, mapping.ingest, mapping.viewer, mapping.punched];
        const [family, ...rest] = new Set(ends.map(({ address }) => addressFamily(address)));
        const isOutside = !isLocal(mapping.publisher.address) && !isLocal(mapping.viewer.address);
        if (family === undefined || rest.length > 0 || !families.has(family) || !isOutside) return [];
        const way = (from: Endpoint, to: Endpoint): string => `${formatEndpoint(from)} ${formatEndpoint(to)}`;
        const isFree = take(way(mapping.publisher, mapping.ingest)) && take(way(mapping.viewer, mapping.punched));
        return isFree ? [mapping] : [];
      });
    },

    flows: () => [...flows.values()],

    clear() {
      flows.clear();
      holes.clear();
    },
  };
}
