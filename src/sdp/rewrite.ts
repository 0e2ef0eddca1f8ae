import { addressFamily, normalizeAddress } from "../core/address.ts";
import { PunchcastError } from "../core/errors.ts";
import { type Sdp, sdpOfTree } from "./session.ts";
import type { SdpMediaTree, SdpTree } from "./tree.ts";

/** Where the player shall listen. */
export interface PlayerTarget {
  /** IPv4 or IPv6 literal, usually the loopback. */
  readonly address: string;
  /** UDP port of the first track; track i has basePort+2i, its RTCP the port after. Odd ones are fine. */
  readonly basePort: number;
}

/**
 * What a player needs of a session and of a track, in sdp-transform's names. Not kept is all that speaks of the sender's
 * own transport: where its RTCP goes, feedback, ICE, header extensions, directions, RTSP control, source filters (ffmpeg
 * would drop packets that do not come from the addresses in them). SRTP keys stay: the packets are relayed as they are.
 */
const sessionKeys = [
  ...["version", "origin", "name", "description", "uri", "email", "phone", "connection", "bandwidth", "timing"],
  ...["repeats", "timezones", "keywords", "crypto", "invalid", "media"],
];
const mediaKeys = [
  ...["type", "port", "protocol", "payloads", "description", "bandwidth", "rtp", "fmtp", "ptime", "maxptime"],
  ...["framerate", "crypto", "invalid"],
];

/** The same kinds of attribute where the library does not recognize them. */
const transportAttribute =
  /^(rtcp|candidate|end-of-candidates|remote-candidates|ice-|ssrc|extmap|source-filter|control|setup|connection|fingerprint|mid|msid|group|rid|simulcast|bundle-only|x-google-)/;

/**
 * The description for a player on this side of the relay: its address in c= and o=, its ports, and none of the sender's
 * transport attributes. Bandwidth, codecs and unknown attributes stay. Throws `BAD_OPTION` for an address that is none or
 * ports that do not fit.
 */
export function rewriteForPlayer(sdp: Sdp, target: PlayerTarget): Sdp {
  const address = normalizeAddress(target.address);
  if (address === undefined) {
    throw new PunchcastError(
      "BAD_OPTION",
      `"${target.address}" is no IP address: give the one that the player listens on, such as 127.0.0.1.`,
    );
  }
  const lastPort = target.basePort + 2 * sdp.media.length - 1;
  if (!Number.isInteger(target.basePort) || target.basePort < 1 || lastPort > 65_535) {
    throw new PunchcastError(
      "BAD_OPTION",
      `Port ${target.basePort} leaves no room for ${2 * sdp.media.length} ports: give one of 1-${65_536 - 2 * sdp.media.length}.`,
    );
  }
  const family = addressFamily(address);
  const tree = keep(sdp.tree, sessionKeys) as SdpTree;
  const origin = tree.origin ?? { username: "-", sessionId: 0, sessionVersion: 0, netType: "IN" };
  tree.origin = { ...origin, ipVer: family, address };
  tree.connection = { version: family, ip: address };
  tree.media = sdp.tree.media.map((media, i) => {
    // RTP/AVPF promises feedback attributes, and those are gone.
    const protocol = media.protocol.replace(/AVPF$/, "AVP");
    return { ...(keep(media, mediaKeys) as SdpMediaTree), protocol, port: target.basePort + 2 * i };
  });
  return sdpOfTree(tree);
}

function keep(level: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  const kept = Object.fromEntries(Object.entries(level).filter(([key]) => keys.includes(key)));
  const unknown = (level as Readonly<SdpTree>).invalid?.filter(({ value }) => !transportAttribute.test(value));
  return { ...kept, invalid: unknown ?? [] };
}
