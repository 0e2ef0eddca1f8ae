import { rm } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import type { PortHolder } from "../udp/free-ports.ts";
import type { Distribution } from "./distribution.ts";
import { startPlayer } from "./player.ts";
import type { PlayerName } from "./player-commands.ts";
import { writePlayerSdp } from "./player-sdp.ts";
import { recordMpegTs, recordSdp, withoutGoodbye } from "./recorder.ts";
import type { StreamSource } from "./stream-source.ts";
import type { ToolEnd } from "./tool.ts";

/** Players and recorders of one stream. None outlives `close`. */
export interface Programs {
  /**
   * Starts a player as soon as the stream's source is known; resolves when it has been closed, by itself or not.
   * @throws PunchcastError TOOL_MISSING; BAD_OPTION if it cannot play such a stream; why the source is not known
   */
  play(name: PlayerName): Promise<ToolEnd>;
  /**
   * Records to a file as soon as the source is known; resolves when the recorder has ended.
   * @throws PunchcastError TOOL_MISSING, BAD_OPTION for an unknown suffix; why the source is not known
   */
  record(file: string): Promise<ToolEnd>;
  /** Finishes the recordings, then closes the players. To be called while packets still come. */
  close(): Promise<void>;
}

/** What programs work with. */
export interface ProgramsOptions {
  readonly distribution: Distribution;
  readonly components: readonly number[];
  /** Of 127.0.0.1; whoever made it closes it. */
  readonly ports: PortHolder;
  readonly source: Promise<StreamSource>;
  /** Where the stream goes on this host for a player, and the SDP file for it if there is one. */
  readonly local: { readonly port: number; readonly sdpPath: string | undefined } | undefined;
  readonly clock: Clock;
}

const loopback = "127.0.0.1";

/** Where players look first: RTP's registered port (RFC 3551 §8). */
const firstPort = 5004;

/**
 * The first even port from `from` on from which all components are free, and no other watch's.
 * @throws PunchcastError PORT_IN_USE
 */
export function findLocalPorts(
  ports: PortHolder,
  components: readonly number[],
  from: number = firstPort,
): Promise<number> {
  return ports.find(from, Math.max(...components) + 1);
}

/** No programs yet. */
export function createPrograms(options: ProgramsOptions): Programs {
  const { distribution, components, ports, source, local, clock } = options;
  const players: (() => Promise<unknown>)[] = [];
  const recordings: (() => Promise<unknown>)[] = [];
  const files: string[] = [];
  // Who was given ports before may not have opened them yet.
  let nextPort = local === undefined ? firstPort : local.port + spanOf(components);
  /** What is being started: `close` waits for it, since only what has been started can be closed. */
  let starting: Promise<unknown> = Promise.resolve();
  let closed = false;

  /** One start after the other, so that each finds its own ports; none after `close`. */
  async function inTurn<T>(start: (about: StreamSource) => Promise<T>): Promise<T | undefined> {
    const about = await source;
    const turn = starting.then(() => (closed ? undefined : start(about)));
    starting = turn.catch(() => {});
    return turn;
  }

  async function findPorts(wanted: readonly number[]): Promise<number> {
    const port = await findLocalPorts(ports, wanted, nextPort);
    nextPort = port + spanOf(wanted);
    return port;
  }

  async function sdpFor(about: StreamSource, port: number): Promise<string | undefined> {
    if (about.kind !== "sdp") return undefined;
    const path = await writePlayerSdp(about.sdp, port);
    files.push(path);
    return path;
  }

  async function startPlaying(name: PlayerName, about: StreamSource): Promise<Promise<ToolEnd>[]> {
    const port = local?.port ?? (await findPorts(components));
    if (local === undefined) await distribution.openUdp({ to: { address: loopback, port }, components });
    const sdpPath = local?.sdpPath ?? (await sdpFor(about, port));
    const player = await startPlayer(name, { port, source: about, sdpPath }, clock);
    players.push(() => player.stop());
    return [player.closed];
  }

  async function startRecording(file: string, about: StreamSource): Promise<Promise<ToolEnd>[]> {
    if (about.kind === "mpegts") {
      const { recording, output } = await recordMpegTs({ file, clock });
      distribution.add(output);
      recordings.push(recording.close);
      return [recording.closed];
    }
    const tracks = about.sdp.media.length;
    const wanted = Array.from({ length: 2 * tracks }, (_, component) => component);
    const port = await findPorts(wanted);
    const sdpPath = (await sdpFor(about, port)) ?? "";
    const to = { address: loopback, port };
    const output = await distribution.openUdp({ to, components: wanted, filter: withoutGoodbye });
    const recording = await recordSdp({ file, sdpPath, output, tracks, clock });
    recordings.push(recording.close);
    return [recording.closed];
  }

  const never = new Promise<never>(() => {});
  return {
    // The end comes wrapped, or waiting for the start would be waiting for the end.
    play: async (name) => (await inTurn((about) => startPlaying(name, about)))?.[0] ?? never,
    record: async (file) => (await inTurn((about) => startRecording(file, about)))?.[0] ?? never,
    async close() {
      closed = true;
      await starting;
      await Promise.all(recordings.map((close) => close()));
      await Promise.all(players.map((close) => close()));
      await Promise.all(files.map((file) => rm(file, { force: true })));
    },
  };
}

/** Ports that components take up, made even so that the next RTP port is even too where the first one is. */
function spanOf(components: readonly number[]): number {
  return 2 * Math.ceil((Math.max(...components) + 1) / 2);
}
