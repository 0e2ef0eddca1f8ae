import { PunchcastError } from "../core/errors.ts";
import { type Inference, infer, isContradicted, type WireStream } from "../sdp/infer.ts";
import { readSdp, type Sdp } from "../sdp/session.ts";
import type { DescribedCodec } from "./stream-media.ts";

/** Where a description comes from: whoever runs the relay, the publisher, or the packets. */
export type DescriptionSource = "given" | "published" | "inferred";

/** What is known of how a stream is played. */
export type Description =
  | { readonly kind: "sdp"; readonly sdp: Sdp; readonly source: DescriptionSource }
  /** There is no SDP and will be none, or not yet: the message says why, and what to do. */
  | Exclude<Inference, { kind: "sdp" }>;

/** The descriptions of a relay's streams. */
export interface Descriptions {
  /**
   * The best there is: given, else published, else inferred. A published one is passed over while packets of a payload
   * type come that it does not name: another publisher's have taken the place of those it was made for.
   */
  find(stream: string): Description;
  /** What a payload type on a component is by what was given or published, without a look at the packets. */
  codecOf(stream: string, component: number, payloadType: number): DescribedCodec | undefined;
  /**
   * Takes a publisher's description. It is kept until the next one, over pauses and restarts of the publisher, which
   * usually sends the same again.
   * @throws PunchcastError BAD_SDP
   */
  publish(stream: string, text: string): Sdp;
  /** Forgets the published one; false if there is none. */
  withdraw(stream: string): boolean;
  /** Forgets all of a stream that is no more. */
  forget(stream: string): void;
}

/** What the descriptions are made of. */
export interface DescriptionsOptions {
  /** How many components a stream has; `undefined` if there is no such stream. */
  readonly componentsOf: (stream: string) => number | undefined;
  /** Texts by stream that outrank all others. */
  readonly given?: ReadonlyMap<string, string>;
  /** What the packets show of a stream, `undefined` while nobody sends. */
  readonly inferred: (stream: string) => Omit<WireStream, "name"> | undefined;
}

/** A description of a handful of tracks has 2 KiB; more than 64 KiB of each stream would be memory given away. */
export const descriptionBytesMax = 65_536;

/**
 * Starts with the given descriptions.
 * @throws PunchcastError BAD_SDP if one of them cannot be read or has more tracks than its stream has room for
 */
export function createDescriptions({ componentsOf, given, inferred }: DescriptionsOptions): Descriptions {
  const read = (stream: string, text: string): Sdp => readDescription(stream, text, componentsOf(stream) ?? 0);
  const givenSdp = new Map([...(given ?? [])].map(([stream, text]) => [stream, read(stream, text)]));
  const publishedSdp = new Map<string, Sdp>();

  return {
    codecOf(stream, component, payloadType) {
      // Track i is component 2i.
      const media = (givenSdp.get(stream) ?? publishedSdp.get(stream))?.media[component >> 1];
      const { codec, clockRate } = media?.formats.find((format) => format.payloadType === payloadType) ?? {};
      if (media === undefined || codec === undefined || clockRate === undefined) return undefined;
      return { kind: media.kind === "video" ? "video" : "audio", codec, clockRate };
    },

    find(stream) {
      const fromOperator = givenSdp.get(stream);
      if (fromOperator !== undefined) return { kind: "sdp", sdp: fromOperator, source: "given" };
      const { tracks, liveMs } = inferred(stream) ?? { tracks: [], liveMs: 0 };
      const fromPublisher = publishedSdp.get(stream);
      if (fromPublisher !== undefined && !isContradicted(fromPublisher, tracks)) {
        return { kind: "sdp", sdp: fromPublisher, source: "published" };
      }
      const fromPackets = infer({ name: stream, tracks, liveMs });
      return fromPackets.kind === "sdp" ? { ...fromPackets, source: "inferred" } : fromPackets;
    },

    publish(stream, text) {
      const sdp = read(stream, text);
      publishedSdp.set(stream, sdp);
      return sdp;
    },

    withdraw: (stream) => publishedSdp.delete(stream),

    forget(stream) {
      givenSdp.delete(stream);
      publishedSdp.delete(stream);
    },
  };
}

function readDescription(stream: string, text: string, components: number): Sdp {
  const bytes = Buffer.byteLength(text);
  if (bytes > descriptionBytesMax) {
    throw new PunchcastError(
      "BAD_SDP",
      `The SDP for stream '${stream}' has ${bytes} bytes: give the description alone, at most ${descriptionBytesMax}.`,
    );
  }
  const sdp = readSdp(text);
  const tracks = sdp.media.length;
  if (tracks > Math.ceil(components / 2)) {
    throw new PunchcastError(
      "BAD_SDP",
      `The SDP has ${tracks} tracks, but stream '${stream}' has ${components} components, two for each: ` +
        `start the relay with --components ${2 * tracks}, or give the SDP of this stream.`,
    );
  }
  return sdp;
}
