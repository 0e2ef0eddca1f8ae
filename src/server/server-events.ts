import type { Counters } from "../data-plane/data-plane.ts";
import type { IngestSnapshot, RestartKind } from "../media/ingest-statistics.ts";
import type { RepairCounters } from "../media/relayed-track.ts";
import type { ReportSummary } from "../media/report-aggregator.ts";
import type { RelayEvent } from "../relay/events.ts";
import type { GuestCounts } from "./guests.ts";

/** One stream as it was started. */
export interface ListeningStream {
  readonly name: string;
  readonly components: number;
  /** The port of each component; empty if only publishers with the key are taken. */
  readonly ingestPorts: readonly number[];
  /** How many can watch at a time: any number, one (the next is refused), or the newest (who takes over). */
  readonly viewers: "many" | "one" | "newest";
  /** `punch://…` with the view key: whoever has it can watch. */
  readonly watchUrl: string;
  /** `punch://…` with the publish key. */
  readonly publishUrl: string;
  /** The page that plays it, with the view key in the fragment; absent if browsers cannot watch. */
  readonly browserUrl?: string;
}

/** What went through one component from the publisher, since the relay started. */
export interface IngestCounters extends Partial<IngestFare> {
  readonly component: number;
  readonly packets: number;
  readonly bytes: number;
}

/** How a component fares on the publisher's leg, as far as the relay sees its packets (not in the nat plane). */
export type IngestFare = Omit<IngestSnapshot, "packets" | "bytes" | "lastKeyFrameAtMs">;

/** How a stream fares beyond what the forwarding plane counts. */
export interface StreamFare {
  readonly ingest: (component: number) => IngestFare | undefined;
  /** What its viewers say of their legs, track by track (component of its RTP); those of whom no report came are missing. */
  readonly viewers: readonly ({ readonly component: number } & ReportSummary)[];
  /** Packets sent again to viewers, and those asked for that were not; since the start. */
  readonly repair: RepairCounters;
  /** Packets larger than a viewer's path takes in one piece, since that is known. */
  readonly oversized: number;
}

/** One stream's figures; totals since the relay started. */
export interface StreamStats extends Omit<StreamFare, "ingest"> {
  readonly name: string;
  readonly publisherLive: boolean;
  /** Open holes now. */
  readonly holes: number;
  readonly in: readonly IngestCounters[];
  readonly out: Counters;
  /** Browsers that watch or publish, which have no holes; absent if the relay serves none. */
  readonly browsers?: GuestCounts;
  /**
   * How often the kernel did not send a packet to a hole, by reason, with planes that know. `queue-full` and `expired` are
   * among the drops; what has another reason user space sent instead.
   */
  readonly notSent?: Readonly<Record<string, number>>;
}

/** Everything a relay tells. As JSON, one object a line, this is the program's interface. */
export type ServerEvent =
  | RelayEvent
  | {
      readonly event: "listening";
      /** Where viewers punch to: `host:port` for people, then every address that is bound. */
      readonly punch: string;
      readonly addresses: readonly string[];
      readonly plane: string;
      /** `http://host:port` of its HTTP port; absent if there is none. */
      readonly http?: string;
      /** Its console, where the API answers too; absent if there is none. */
      readonly console?: string;
      readonly streams: readonly ListeningStream[];
    }
  /** The publisher began anew: with the SSRC it had, its numbers set back, or with another. */
  | {
      readonly event: "publisher-restarted";
      readonly stream: string;
      readonly component: number;
      readonly kind: RestartKind;
    }
  /** A stream was created, changed or deleted while the relay runs. */
  | { readonly event: "stream-added" | "stream-changed" | "stream-removed"; readonly stream: string }
  | { readonly event: "warning"; readonly message: string }
  | {
      readonly event: "stats";
      readonly uptimeMs: number;
      readonly streams: readonly StreamStats[];
      /** Datagrams that were refused or not understood, by reason. */
      readonly refused: Readonly<Record<string, number>>;
      /** Punches, in STUN and bare: `granted`, and those that were refused, by reason; they are among `refused` too. */
      readonly punches: Readonly<Record<string, number>>;
      /** Datagrams that the system would not send. */
      readonly sendErrors: number;
    }
  | { readonly event: "stopped" };
