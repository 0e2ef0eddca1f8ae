import type { Counters } from "../data-plane/data-plane.ts";
import type { Viewer } from "./viewer-list.ts";

/** Who watches and publishes by other ways than holes and the ingest ports: browsers. */
export interface Guests {
  /** Those who watch, of one stream or of all. */
  viewers(stream?: string): readonly Viewer[];
  /** Ends a viewer; false if there is none. */
  kick(stream: string, viewer: string): boolean;
  counts(stream: string): GuestCounts;
}

/** A stream's guests. */
export interface GuestCounts {
  /** Now. */
  readonly viewers: number;
  readonly publishers: number;
  /** To all of the viewers, since the relay started. */
  readonly sent: Counters;
  /** 0-1, of the viewer who fares worst. */
  readonly worstLossFraction: number;
}
