import type { Endpoint } from "../../src/core/address.ts";
import type { Effects, RelayEvent } from "../../src/relay/events.ts";
import { defaultLimits, type Limits } from "../../src/relay/limits.ts";
import { createRelayCore, type Decision, type RelayCore, type RelayCoreOptions } from "../../src/relay/relay-core.ts";
import { createStream, type Stream, type StreamOptions } from "../../src/relay/stream.ts";
import {
  type Answer,
  type Challenge,
  publishKey,
  punchRequest,
  type RequestFields,
  readAnswer,
  viewKey,
} from "../support/punch-request.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** The relay's punch port in the tests. */
export const punchPort: Endpoint = { address: "198.51.100.1", port: 9000 };
/** Component 0's ingest port. */
export const ingestPort: Endpoint = { address: "198.51.100.1", port: 9099 };
/** Where the wall clock stands when the relay's clock stands at 0. */
export const wallStartMs = 1_700_000_000_000;

/** `host(7, 5000)` is 203.0.113.7:5000. */
export function host(last: number, port = 5000): Endpoint {
  return { address: `203.0.113.${last}`, port };
}

/** A stream named `live` with four components, unless told otherwise. */
export function makeStream(options: Partial<StreamOptions> = {}): Stream {
  return createStream({ name: "live", components: 4, ingestPort: 9099, from: [], viewKey, publishKey, ...options });
}

/** An RTP packet: version 2, payload type 96, this sequence number. */
export function rtpPacket(sequence = 1, length = 100): Uint8Array {
  const bytes = new Uint8Array(Math.max(12, length));
  bytes.set([0x80, 96, sequence >> 8, sequence & 0xff]);
  return bytes;
}

/** An RTCP receiver report without blocks. */
export const rtcpPacket: Uint8Array = Uint8Array.of(0x80, 201, 0, 1, 1, 2, 3, 4);

/** Only the reasons, counters and kinds of a decision's effects. */
export function eventNames({ events }: Effects): string[] {
  return events.map((event) =>
    event.event === "publisher"
      ? `publisher-${event.state}`
      : event.event === "hole-closed"
        ? event.reason
        : event.event,
  );
}

/** A relay core, with the ways in which tests talk to it. */
export interface Bench {
  readonly core: RelayCore;
  /** Every event so far, in order. */
  readonly events: RelayEvent[];
  /** Hands the core a datagram at its punch port. */
  punch(from: Endpoint, bytes: Uint8Array, now?: number): Decision;
  /** Hands the core a datagram at the first stream's ingest port. */
  ingest(from: Endpoint, component?: number, now?: number): Decision;
  /** Gets a challenge, as the first request of a viewer does. */
  challenge(from: Endpoint, now?: number): Challenge;
  /** Gets a challenge and answers it: two round trips, as a viewer or publisher joins. */
  join(from: Endpoint, fields?: RequestFields, now?: number): Answer;
  tick(now: number): Effects;
}

/** A relay core with one stream, seeded. */
export function createBench(options: Partial<RelayCoreOptions> & { readonly seed?: number } = {}): Bench {
  const streams = options.streams ?? [makeStream()];
  const core = createRelayCore({
    streams,
    limits: options.limits ?? defaultLimits,
    authSecret: options.authSecret,
    open: options.open,
    random: options.random ?? createSeededRandom(options.seed ?? 1),
  });
  const events: RelayEvent[] = [];
  const [first = makeStream()] = streams;
  const record = (decision: Decision): Decision => {
    events.push(...decision.effects.events);
    return decision;
  };
  const punch = (from: Endpoint, bytes: Uint8Array, now = 0): Decision =>
    record(core.onPunchPort(punchPort, from, bytes, { now, wallNowMs: wallStartMs + now }));
  const challenge = (from: Endpoint, now = 0): Challenge => {
    const got = readAnswer(replyOf(punch(from, punchRequest(), now))).challenge;
    if (got === undefined) throw new Error("no challenge");
    return got;
  };
  return {
    core,
    events,
    punch,
    ingest: (from, component = 0, now = 0) =>
      record(core.onIngestPort(first, component, { ...ingestPort, port: ingestPort.port + component }, from, now)),
    challenge,
    join: (from, fields = {}, now = 0) =>
      readAnswer(replyOf(punch(from, punchRequest({ ...fields, challenge: challenge(from, now) }), now))),
    tick(now) {
      const effects = core.tick(now);
      events.push(...effects.events);
      return effects;
    },
  };
}

/** The reply that a decision sends, if any. */
export function replyOf({ verdict }: Decision): Uint8Array | undefined {
  return verdict.kind === "handled" ? verdict.reply : undefined;
}

/** Why a datagram was refused, if it was. */
export function refusalOf({ verdict }: Decision): string | undefined {
  return verdict.kind === "handled" ? verdict.refusal : undefined;
}

/** Limits with some of them changed. */
export function limitsWith(changed: Partial<Limits>): Limits {
  return { ...defaultLimits, ...changed };
}
