import { type Command, Option } from "commander";
import { defaultPunchPort } from "../core/punch-url.ts";
import { cidrs, hostName, integer, integerOrNone, ipAddress } from "./option-parsers.ts";
import { defaultComponents, defaultIngestPort } from "./relay-options.ts";
import { defaultWebRtcPort } from "./start-web-rtc.ts";

/** Gives a command the options that say which relay is meant. */
export function addRelayFlags(command: Command): Command {
  const secret = (flags: string, description: string, variable: string): Option =>
    new Option(flags, description).env(variable);
  return command
    .option("--config <file>", "YAML file with these settings in camel case and any number of streams")
    .option("--listen <address>", "address to bind (default: every address of this host)", ipAddress)
    .option("--public-address <host>", "host to print in URLs, for a server behind a cloud's 1:1 NAT", hostName)
    .option("--punch-port <port>", `UDP port that viewers punch to (default: ${defaultPunchPort})`, integer(0, 65_535))
    .option(
      "--http-port <port>",
      "TCP port of HTTP, which hands out SDPs, or 'none' (default: the punch port's number)",
      integerOrNone(0, 65_535),
    )
    .option(
      "--http-listen <address>",
      "address to bind it to (default: as --listen, with the API on this host only)",
      ipAddress,
    )
    .addOption(
      secret(
        "--admin-token <token>",
        "token of the API (default: generated once, kept in the state file)",
        "PUNCHCAST_ADMIN_TOKEN",
      ),
    )
    .option("--tls-cert <file>", "certificate chain (PEM): HTTP becomes HTTPS")
    .option("--tls-key <file>", "its key (PEM)")
    .option("--no-viewer-metrics", "no series of single viewers on /metrics")
    .option(
      "--webrtc-port <port>",
      `UDP port of browsers that watch or publish, or 'none' (default: ${defaultWebRtcPort})`,
      integerOrNone(1, 65_535),
    )
    .option("--stream <name>", "name of the stream (default: live)")
    .option(
      "--ingest-port <port>",
      `UDP port of component 0, or 'none' to take media by the publish key only (default: ${defaultIngestPort})`,
      integerOrNone(1, 65_535),
    )
    .option(
      "--components <count>",
      `UDP ports of the stream, two for each RTP track (default: ${defaultComponents})`,
      integer(1, 255),
    )
    .option("--sdp <file>", "the sender's SDP, for viewers (default: the publisher's, or what the packets tell)")
    .option("--from <cidr>", "take media only from this source (repeatable; default: first come)", cidrs)
    .addOption(
      secret(
        "--view-key <key>",
        "key to watch (default: generated once, kept in the state file)",
        "PUNCHCAST_VIEW_KEY",
      ),
    )
    .addOption(secret("--publish-key <key>", "key to publish (default: likewise)", "PUNCHCAST_PUBLISH_KEY"))
    .addOption(
      secret("--auth-secret <secret>", "take time-limited credentials, as TURN servers do", "PUNCHCAST_AUTH_SECRET"),
    )
    .option("--open", "take bare punches: any datagram opens a hole, viewers need no key")
    .option("--open-from <cidr>", "take bare punches only from this source (repeatable)", cidrs)
    .addOption(
      new Option("--plane <plane>", "what moves the media (default: userspace)").choices([
        "userspace",
        "nat",
        "ebpf",
        "auto",
      ]),
    )
    .option(
      "--no-cache",
      "show newcomers nothing of what has been since the last key frame: they wait for the next one",
    )
    .option("--state <file>", "file that keeps generated keys (default: relay.json in the platform's state folder)");
}
