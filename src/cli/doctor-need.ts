import type { RelayConfig } from "../config/relay-config.ts";
import { normalizeAddress } from "../core/address.ts";
import { defaultPunchPort } from "../core/punch-url.ts";
import type { NeededPort, RelayNeed } from "../doctor/check.ts";
import { checkStreams, ingestPortsOf } from "../relay/stream.ts";
import { localAddresses } from "../server/local-addresses.ts";
import { socketBufferBytes } from "../server/relay-ports.ts";
import { type KeySource, type RelayFlags, relayOptions, relayStatePath } from "./relay-options.ts";

/**
 * What a relay with these options would ask of the host; makes no keys.
 * @throws PunchcastError BAD_OPTION
 */
export async function relayNeed(flags: RelayFlags, config: RelayConfig): Promise<RelayNeed> {
  let needsState = false;
  const noKeys: KeySource = async (_path, streams) => {
    needsState = true;
    return new Map(streams.map((name) => [name, { viewKey: "none", publishKey: "none" }]));
  };
  const options = await relayOptions(flags, config, noKeys);
  const { streams, punchPort = defaultPunchPort, plane = "userspace", publicAddress } = options;
  checkStreams(streams, punchPort);
  const ingest = streams.flatMap((stream): NeededPort[] =>
    ingestPortsOf(stream).map((port) => ({ port, purpose: `Ingest port of stream '${stream.name}' (--ingest-port)` })),
  );
  return {
    plane,
    addresses: localAddresses(options.listen),
    publicAddress: publicAddress === undefined ? undefined : (normalizeAddress(publicAddress) ?? publicAddress),
    ports: [...(punchPort === 0 ? [] : [{ port: punchPort, purpose: "Punch port (--punch-port)" }]), ...ingest],
    bufferBytes: socketBufferBytes,
    hasTimedKeys: options.authSecret !== undefined,
    statePath: needsState || plane === "nat" ? relayStatePath(flags, config) : undefined,
  };
}
