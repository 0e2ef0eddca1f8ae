import type { Audio, PeerConnection, Track, Video } from "node-datachannel";
import { formatEndpoint, normalizeAddress } from "../core/address.ts";
import type { AnsweredMedia } from "./negotiate.ts";

/** The library, loaded. */
export type Library = typeof import("node-datachannel");

/** One browser's connection. */
export interface Peer {
  /** By mid. */
  readonly tracks: ReadonlyMap<string, Track>;
  /** The path that ICE chose, `host:port` each; `undefined` until it has. */
  path(): { readonly mapped: string; readonly relay: string } | undefined;
  close(): void;
}

/** What a connection to a browser is answered with, whoever sends. */
export interface AnswerOptions {
  readonly library: Library;
  readonly port: number;
  readonly bindAddress: string | undefined;
  readonly session: string;
  readonly offer: string;
  readonly media: readonly AnsweredMedia[];
  /** The whole answer, with its candidates. */
  readonly onAnswer: (sdp: string) => void;
  /** The connection has ended, or never came about. */
  readonly onClosed: () => void;
}

/** What a connection is made of. */
export interface PeerOptions extends AnswerOptions {
  /** Who sends: the relay to a viewer, or the browser. */
  readonly direction: "SendOnly" | "RecvOnly";
  /** SSRC of what the relay sends on a line. */
  readonly ssrcOf: (mid: string) => number;
  readonly cname: string;
  readonly onOpen: (mid: string, track: Track) => void;
  /** RTP or RTCP of a line. */
  readonly onMessage: (mid: string, bytes: Uint8Array) => void;
}

/** From these a connection does not come back. */
const endStates = new Set(["closed", "failed"]);

/**
 * Answers an offer. Throws what the library throws for an offer that it does not take. An exception in one of the library's
 * callbacks would abort the process, so each is guarded.
 */
export function openPeer(options: PeerOptions): Peer {
  const { library, port, bindAddress, session, media, onClosed } = options;
  let isOver = false;
  const connection: PeerConnection = new library.PeerConnection(session, {
    iceServers: [],
    enableIceUdpMux: true,
    portRangeBegin: port,
    portRangeEnd: port,
    forceMediaTransport: true,
    ...(bindAddress !== undefined && { bindAddress }),
  });
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    onClosed();
  };
  connection.onStateChange((state) => {
    if (endStates.has(state)) guard(end);
  });
  connection.onGatheringStateChange((state) => {
    if (state !== "complete") return;
    guard(() => {
      const description = connection.localDescription();
      if (description !== null) options.onAnswer(description.sdp);
    });
  });
  const tracks = new Map<string, Track>();
  for (const answered of media) {
    const { mid, isIdle } = answered;
    const track = connection.addTrack(describe(options, answered));
    tracks.set(mid, track);
    if (isIdle) continue;
    track.onOpen(() => guard(() => options.onOpen(mid, track)));
    track.onMessage((bytes) => guard(() => options.onMessage(mid, bytes)));
  }
  connection.setRemoteDescription(options.offer, "offer" as Parameters<PeerConnection["setRemoteDescription"]>[1]);

  return {
    tracks,
    path() {
      const pair = connection.getSelectedCandidatePair();
      return pair === null ? undefined : { mapped: written(pair.remote), relay: written(pair.local) };
    },
    close() {
      isOver = true;
      // Tracks before their connection: the library crashes if it outlives references the other way round.
      for (const track of tracks.values()) guard(() => track.close());
      guard(() => connection.close());
    },
  };
}

function written({ address, port }: { readonly address: string; readonly port: number }): string {
  return formatEndpoint({ address: normalizeAddress(address) ?? address, port });
}

function describe({ library, direction, ssrcOf, cname }: PeerOptions, answered: AnsweredMedia): Audio | Video {
  const { mid, kind, isIdle, format } = answered;
  const way = (isIdle ? "Inactive" : direction) as ConstructorParameters<typeof Video>[1];
  const { payloadType, codec = "", clockRate = 48_000, channels, fmtp } = format;
  const media = kind === "video" ? new library.Video(mid, way) : new library.Audio(mid, way);
  // The library tells parameters that are absent from those that are undefined.
  const parameters: [string?] = fmtp === undefined ? [] : [fmtp];
  if ("addVideoCodec" in media) media.addVideoCodec(payloadType, codec, ...parameters);
  else {
    const name = [codec, clockRate, ...(channels === undefined ? [] : [channels])].join("/");
    media.addAudioCodec(payloadType, name, ...parameters);
  }
  if (direction === "SendOnly" && !isIdle) media.addSSRC(ssrcOf(mid), cname, "punchcast", `punchcast-${kind}`);
  return media;
}

/** Failures that are said aloud: enough to see what it is, and not a line for each packet of somebody who knows how. */
let failuresToTell = 20;

/** Runs what a callback does; what fails in it is said, the first times, and goes no further. */
export function guard(task: () => void): void {
  try {
    task();
  } catch (error) {
    failuresToTell -= 1;
    if (failuresToTell >= 0) process.stderr.write(`WebRTC: ${error instanceof Error ? error.message : error}\n`);
  }
}
