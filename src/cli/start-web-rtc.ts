import { systemClock } from "../core/clock.ts";
import { consentLifetimeSeconds, defaultLimits, type Limits } from "../relay/limits.ts";
import type { Guests } from "../server/guests.ts";
import type { Relay } from "../server/relay.ts";
import type { RelayOptions } from "../server/relay-options.ts";
import type { Viewer } from "../server/viewer-list.ts";
import { resolveHost } from "../udp/route.ts";
import { createWebRtc } from "../webrtc/web-rtc.ts";
import type { BrowserViewer, WebRtc, WebRtcLimits } from "../webrtc/web-rtc-types.ts";

/** Next to the punch port, so that a firewall's one line can name both. */
export const defaultWebRtcPort = 9001;

/** Browsers at a time: what one core carries at 2 Mbit/s each is about fifty; more than some times that is an attack. */
const browsersMax = 500;

/** What the relay's limits are to browsers: each counts as the four holes of a viewer of picture and sound. */
function limitsOf({ holesPerAddress, holesPerStream, holesTotal }: Limits): WebRtcLimits {
  const [perAddress = 1, perStream = 1, total = 1] = [holesPerAddress, holesPerStream, holesTotal].map((holes) =>
    Math.max(1, Math.floor(holes / 4)),
  );
  return { perAddress, perStream, total: Math.min(total, browsersMax) };
}

/** Lets browsers watch and publish the relay's streams; costs nothing until the first one comes. */
export async function startWebRtc(
  relay: Relay,
  { listen, publicAddress, clock = systemClock, limits = defaultLimits }: RelayOptions,
  { port = defaultWebRtcPort, warn }: { readonly port: number | undefined; readonly warn: (message: string) => void },
): Promise<WebRtc> {
  const isWildcard = listen === undefined || listen === "0.0.0.0" || listen === "::";
  const webRtc = createWebRtc({
    ...{ port, clock, warn, limits: limitsOf(limits) },
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
  relay.adopt(guestsOf(webRtc));
  return webRtc;
}

/** Browsers as the relay lists its viewers. */
function guestsOf(webRtc: WebRtc): Guests {
  const described = ({ id, stream, watchingMs, silentMs, path, legs }: BrowserViewer): Viewer => ({
    ...{ id, stream, by: "browser", watchingMs },
    holes: legs.map((leg) => ({
      ...leg,
      ...{ mapped: path?.mapped ?? "", relay: path?.relay ?? "" },
      consentLeftMs: Math.max(0, consentLifetimeSeconds * 1000 - silentMs),
    })),
  });
  return {
    viewers: (stream) => webRtc.viewers(stream).map(described),
    kick: webRtc.kick,
    counts: webRtc.counts,
  };
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
