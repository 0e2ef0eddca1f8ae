import type { Cidr } from "../core/cidr.ts";
import { PunchcastError } from "../core/errors.ts";
import { prepareOpaqueString } from "../stun/opaque-string.ts";
import { type StreamKeys, streamNamePattern } from "./credentials.ts";
import { type ComponentId, componentId } from "./forwarding.ts";

/** A stream as it is configured. */
export interface StreamOptions extends StreamKeys {
  /** Letters, digits, `.`, `_`, `-`; 64 at the most. */
  readonly name: string;
  /** UDP ports of the stream, 1-255: 0 = RTP of track 1, 1 = its RTCP, 2 = RTP of track 2, … Default 4. */
  readonly components: number;
  /** Component k is taken from port `ingestPort + k`; `undefined`: only publishers with the key, on the punch port. */
  readonly ingestPort: number | undefined;
  /**
   * Where the data plane has room for one viewer only: true if the next one takes the place of the one before, false if it
   * is refused. Default false.
   */
  readonly takeover?: boolean;
  /** Who may send to the ingest ports; empty: anyone, first come. */
  readonly from: readonly Cidr[];
}

/** What of a stream may change while it runs. */
export interface StreamSettings extends StreamKeys {
  readonly takeover?: boolean;
  readonly from: readonly Cidr[];
}

/**
 * A stream that the relay carries, with its ids made once. Holes and publishers hold on to it for as long as it lives, so
 * its settings are written here when they change.
 */
export interface Stream extends StreamOptions {
  readonly componentIds: readonly ComponentId[];
  viewKey: string;
  publishKey: string;
  takeover?: boolean;
  from: readonly Cidr[];
}

/** Makes a stream of its options. */
export function createStream(options: StreamOptions): Stream {
  const componentIds = Array.from({ length: options.components }, (_, k) => componentId(options.name, k));
  return { ...options, componentIds };
}

/** The stream's ports, component by component; none if it is fed by the publish key only. */
export function ingestPortsOf({ ingestPort, components }: StreamOptions): number[] {
  return ingestPort === undefined ? [] : Array.from({ length: components }, (_, k) => ingestPort + k);
}

/**
 * Checks that the streams can live on one relay.
 * @throws PunchcastError BAD_OPTION naming the stream and the value at fault
 */
export function checkStreams(streams: readonly StreamOptions[], punchPort: number): void {
  const fail = (message: string): never => {
    throw new PunchcastError("BAD_OPTION", message);
  };
  const ports = new Map<number, string>([[punchPort, "the punch port"]]);
  const names = new Set<string>();
  if (streams.length === 0)
    fail("A relay needs at least one stream: name one with --stream or in the configuration file.");
  for (const { name, components, ingestPort, viewKey, publishKey } of streams) {
    if (!streamNamePattern.test(name)) {
      fail(
        `Stream name '${name}' is not usable: take up to 64 letters, digits, '.', '_' and '-', a letter or digit first.`,
      );
    }
    if (names.has(name)) fail(`Stream '${name}' is there twice: give each stream its own name.`);
    names.add(name);
    if (!Number.isInteger(components) || components < 1 || components > 255) {
      fail(`Stream '${name}' cannot have ${components} components: give 1 to 255, two for each RTP track.`);
    }
    for (const key of [viewKey, publishKey]) {
      if (prepareOpaqueString(key) === undefined) {
        fail(`A key of stream '${name}' is empty or holds characters that no password may have: take printable ones.`);
      }
    }
    for (let k = 0; ingestPort !== undefined && k < components; k += 1) {
      const port = ingestPort + k;
      if (ingestPort < 1 || port > 65_535) {
        fail(
          `Stream '${name}' needs UDP port ${port} for component ${k}, which does not exist: choose ingest ports 1 to 65535.`,
        );
      }
      const other = ports.get(port);
      if (other !== undefined) {
        fail(
          `Stream '${name}' needs UDP port ${port} for component ${k}, but ${other} has it: choose another ingest port.`,
        );
      }
      ports.set(port, `component ${k} of stream '${name}'`);
    }
  }
}
