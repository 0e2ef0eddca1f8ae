import { addressFamily, type Endpoint, formatEndpoint } from "../core/address.ts";

/** Notices packets that are cut in pieces on their way to a viewer, where the loss of one piece loses the packet. */
export interface Oversize {
  /** Takes the length of a packet's UDP payload. */
  onPacket(stream: string, length: number): void;
  /** Compares with the paths to a stream's viewers. To be called every few seconds. */
  look(stream: string, viewers: Iterable<Endpoint>): void;
  /** Packets of the stream that were larger than one of its paths takes in one piece. */
  count(stream: string): number;
  /** The stream is no more. */
  forget(stream: string): void;
}

interface Stream {
  /** The largest payload that reaches every viewer in one piece. */
  limit: number;
  largest: number;
  oversized: number;
  /** The limit that people were told of. */
  told: number;
}

/** IP and UDP headers (RFC 791, RFC 8200, RFC 768), without options. */
const headerBytes = { 4: 28, 6: 48 } as const;

/** RFC 3550 §5.1: what MP4Box does not count. */
const rtpHeaderBytes = 12;

/** Paths asked about at a time: each takes some microseconds, and the narrowest are common to many viewers. */
const mostPaths = 256;

/** `mtuOf` gives the largest IP packet that a path takes, if it is known; `warn` gets one sentence per stream and limit. */
export function createOversize(
  mtuOf: (remote: Endpoint) => number | undefined,
  warn: (message: string) => void,
): Oversize {
  const streams = new Map<string, Stream>();

  function of(name: string): Stream {
    const known = streams.get(name);
    if (known !== undefined) return known;
    const unlimited = Number.POSITIVE_INFINITY;
    const stream = { limit: unlimited, largest: 0, oversized: 0, told: unlimited };
    streams.set(name, stream);
    return stream;
  }

  return {
    onPacket(name, length) {
      const stream = of(name);
      if (length > stream.largest) stream.largest = length;
      if (length > stream.limit) stream.oversized += 1;
    },

    look(name, viewers) {
      const stream = of(name);
      let [limit, narrowest, asked] = [Number.POSITIVE_INFINITY, "", 0];
      for (const viewer of viewers) {
        asked += 1;
        if (asked > mostPaths) break;
        const mtu = mtuOf(viewer);
        const fits = mtu === undefined ? limit : mtu - headerBytes[addressFamily(viewer.address)];
        if (fits < limit) [limit, narrowest] = [fits, formatEndpoint(viewer)];
      }
      const { largest } = stream;
      stream.limit = limit;
      stream.largest = 0;
      if (largest <= limit || stream.told === limit) return;
      stream.told = limit;
      warn(
        `Stream '${name}' has packets of ${largest} bytes, and the path to ${narrowest} takes ${limit} in one piece: cut in two, they are lost twice as often. Have the sender make smaller ones: MP4Box -mtu=${limit - rtpHeaderBytes}, ffmpeg '?pkt_size=${limit}' in the URL, GStreamer's payloader mtu=${limit}.`,
      );
    },

    count: (name) => streams.get(name)?.oversized ?? 0,
    forget: (name) => void streams.delete(name),
  };
}
