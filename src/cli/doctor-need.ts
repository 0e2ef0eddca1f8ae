import type { RelayConfig } from "../config/relay-config.ts";
import { normalizeAddress } from "../core/address.ts";
import { defaultPunchPort } from "../core/punch-url.ts";
import { choosePlane } from "../data-plane/choose-plane.ts";
import type { NeededPort, RelayNeed } from "../doctor/check.ts";
import { checkStreams, ingestPortsOf } from "../relay/stream.ts";
import { localAddresses } from "../server/local-addresses.ts";
import { socketBufferBytes } from "../server/relay-ports.ts";
import { type RelayFlags, relayOptions, relayStatePath, type StateSource } from "./relay-options.ts";

/**
 * What a relay with these options would ask of the host; makes no keys.
 * @throws PunchcastError BAD_OPTION
 */
export async function relayNeed(flags: RelayFlags, config: RelayConfig): Promise<RelayNeed> {
  let needsState = false;
  const noState: StateSource = {
    async keys(streams) {
      needsState = true;
      return new Map(streams.map((name) => [name, { viewKey: "none", publishKey: "none" }]));
    },
    created: () => [],
    setAside: undefined,
  };
  const options = await relayOptions(flags, config, noState);
  const { streams, punchPort = defaultPunchPort, publicAddress } = options;
  const plane = await choosePlane(options.plane ?? "userspace", () => {});
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
    statePath: needsState || plane !== "userspace" ? relayStatePath(flags, config) : undefined,
  };
}
