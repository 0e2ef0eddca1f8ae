import { systemClock } from "../core/clock.ts";
import type { Relay } from "../server/relay.ts";
import type { RelayOptions } from "../server/relay-options.ts";
import { resolveHost } from "../udp/route.ts";
import { createWebRtc } from "../webrtc/web-rtc.ts";
import type { WebRtc } from "../webrtc/web-rtc-types.ts";

/** Next to the punch port, so that a firewall's one line can name both. */
export const defaultWebRtcPort = 9001;

/** Lets browsers watch and publish the relay's streams; costs nothing until the first one comes. */
export async function startWebRtc(
  relay: Relay,
  { listen, publicAddress, clock = systemClock }: RelayOptions,
  { port = defaultWebRtcPort, warn }: { readonly port: number | undefined; readonly warn: (message: string) => void },
): Promise<WebRtc> {
  const isWildcard = listen === undefined || listen === "0.0.0.0" || listen === "::";
  return createWebRtc({
    ...{ port, clock, warn },
    bindAddress: isWildcard ? undefined : listen,
    publicAddresses: publicAddress === undefined ? [] : await publicAddressesOf(publicAddress, warn),
    source: {
      ...relay.media,
      sdp(stream) {
        const found = relay.descriptions.find(stream);
        return found.kind === "sdp" ? found.sdp : undefined;
      },
      componentsOf: (stream) => relay.stream(stream)?.components,
      publishKeyOf: (stream) => relay.stream(stream)?.publishKey,
      describe: (stream, sdp) => void relay.descriptions.publish(stream, sdp),
      punch: { address: isWildcard ? loopbackOf(relay.media.addresses()) : listen, port: relay.punchPort },
    },
  });
}

function loopbackOf(addresses: readonly string[]): string {
  return addresses.find((address) => address === "127.0.0.1") ?? addresses[0] ?? "127.0.0.1";
}

async function publicAddressesOf(host: string, warn: (message: string) => void): Promise<string[]> {
  try {
    return await resolveHost(host);
  } catch {
    warn(`Browsers are not told of --public-address ${host}, which cannot be resolved: give its IP address.`);
    return [];
  }
}
