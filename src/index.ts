export type { Endpoint } from "./core/address.ts";
export { type Cidr, parseCidr } from "./core/cidr.ts";
export type { Clock } from "./core/clock.ts";
export { type ErrorCode, PunchcastError } from "./core/errors.ts";
export { formatPunchUrl, type PunchUrl, parsePunchUrl } from "./core/punch-url.ts";
export type { Random } from "./core/random.ts";
export type {
  ApiEvent,
  ApiKeys,
  ApiStream,
  ApiViewer,
  KeyRotation,
  MintedKey,
  MintRequest,
  NewStream,
  RelayInfo,
  StreamPatch,
} from "./http/api/shapes.ts";
export { createRelayClient, type RelayClient, type RelayClientOptions } from "./http/client/relay-client.ts";
export { type StreamKeys, timeLimitedPassword, timeLimitedUsername } from "./relay/credentials.ts";
export { defaultLimits, type Limits } from "./relay/limits.ts";
export type { StreamOptions } from "./relay/stream.ts";
export { readSdp, type Sdp, writeSdp } from "./sdp/session.ts";
export { type Sending, type SendOptions, send } from "./send/send.ts";
export type { SendEvent } from "./send/send-events.ts";
export type { Description, DescriptionSource, Descriptions } from "./server/descriptions.ts";
export type { StreamChanges } from "./server/live-streams.ts";
export type { Relay } from "./server/relay.ts";
export type { RelayOptions } from "./server/relay-options.ts";
export { createRelay } from "./server/relay-server.ts";
export type { ListeningStream, ServerEvent, StreamStats } from "./server/server-events.ts";
export type { Viewer, ViewerHole } from "./server/viewer-list.ts";
export type { PlayerName } from "./watch/player-commands.ts";
export type { ToolEnd } from "./watch/tool.ts";
export { type Watch, type WatchOptions, watch } from "./watch/watch.ts";
export type { ComponentStats, WatchEvent } from "./watch/watch-events.ts";
